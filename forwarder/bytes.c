#include "forwarder/bytes.h"

void
bytes_number_write(struct buf *buf, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		(void)buf_char(buf, (char)(value >> (8 * i) & 0xff));
}

uint64_t
bytes_number_read(struct bytes_reader *reader, size_t bytes)
{
	uint64_t value = 0;

	if (reader->len < bytes) {
		reader->failed = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)reader->data[i] << (8 * i);
	reader->data += bytes;
	reader->len -= bytes;
	return value;
}
