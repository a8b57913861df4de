#include "daemon/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { PROCESS_STAT = 1024 };

/* Memory and threads: proc_pid_stat(5). The name in it may have any bytes but
 * ends with its last parenthesis. */
static bool
process_read_stat(struct process *process)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char text[PROCESS_STAT], *end = NULL;
	int64_t pages;

	if (file == NULL)
		return false;
	if (fgets(text, sizeof(text), file) != NULL)
		end = strrchr(text, ')');
	(void)fclose(file);
	if (end == NULL ||
	    sscanf(end + 1,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
		"%*d %*d %" SCNd64 " %*d %*u %" SCNd64 " %" SCNd64,
		&process->threads, &process->virtual_bytes, &pages) != 3)
		return false;
	process->resident_bytes = pages * sysconf(_SC_PAGESIZE);
	return true;
}

/* Without the one that the directory is read with. */
static bool
process_count_files(int64_t *ret_files)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int64_t files = -1;

	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL)
		files += entry->d_name[0] != '.';
	(void)closedir(dir);
	*ret_files = files;
	return true;
}

bool
process_read(struct process *ret_process)
{
	struct process process = {.cpu_s = 0};
	struct rlimit files;
	struct timespec cpu;

	if (!process_read_stat(&process) ||
	    !process_count_files(&process.open_files) ||
	    getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) != 0)
		return false;
	process.files_max =
	    files.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)files.rlim_cur;
	process.cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
	*ret_process = process;
	return true;
}
