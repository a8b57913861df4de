# Run by cpack once the files are installed below usr/: adds what is Debian's.

set(root ${CPACK_TEMPORARY_DIRECTORY})
set(debian ${CMAKE_CURRENT_LIST_DIR})
set(doc ${root}/usr/share/doc/currentsd)

function(gzip path)
  execute_process(COMMAND gzip -9n ${path} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Before Debian 13 a package may not put units below /usr.
file(MAKE_DIRECTORY ${root}/lib ${root}/etc/currentsd
  ${root}/usr/share/lintian/overrides)
file(RENAME ${root}/usr/lib/systemd ${root}/lib/systemd)
file(REMOVE_RECURSE ${root}/usr/lib)

# Tokens go there. postinst lets the daemon's user read it.
file(COPY_FILE ${debian}/../currentsd.env
  ${root}/etc/currentsd/currentsd.env)
file(CHMOD ${root}/etc/currentsd/currentsd.env
  PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)

file(COPY_FILE ${debian}/copyright ${doc}/copyright)
file(COPY_FILE ${debian}/changelog ${doc}/changelog.Debian)
file(COPY_FILE ${debian}/lintian-overrides
  ${root}/usr/share/lintian/overrides/currentsd)
gzip(${doc}/changelog.Debian)
file(GLOB pages ${root}/usr/share/man/man*/*)
foreach(page ${pages})
  gzip(${page})
endforeach()
