# cmake -DOUTPUT=FILE.c -P embed.cmake FILE...: the files, gzipped, as C. One
# that is called NAME.EXT becomes the `page_EXT` of daemon/page.h.

set(text "#include \"daemon/page.h\"\n")
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE 4 ${last})
  cmake_path(GET CMAKE_ARGV${i} EXTENSION LAST_ONLY extension)
  string(REPLACE "." "page_" name "${extension}")
  execute_process(COMMAND gzip -9nc "${CMAKE_ARGV${i}}"
    OUTPUT_FILE "${OUTPUT}.gz" COMMAND_ERROR_IS_FATAL ANY)
  file(READ "${OUTPUT}.gz" bytes HEX)
  file(REMOVE "${OUTPUT}.gz")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND text
    "\nstatic const unsigned char ${name}_bytes[] = {${bytes}};\n"
    "const struct str ${name} = {(const char *)${name}_bytes,\n"
    "    sizeof(${name}_bytes)};\n")
endforeach()
file(WRITE "${OUTPUT}" "${text}")
