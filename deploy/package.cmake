# What `cmake --install` installs, below the prefix alone: nothing in /etc, no
# user, and nothing starts. `cpack`, in the build directory, makes of the same
# files the Debian package, which does the rest (deploy/debian).

include(GNUInstallDirs)
set(examples ${CMAKE_INSTALL_DOCDIR}/examples)

install(TARGETS currentsd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# The program that is installed is the one that the unit starts.
install(CODE "
  file(READ ${CMAKE_SOURCE_DIR}/deploy/systemd/currentsd.service unit)
  string(REPLACE /usr/local/bin
    \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR} unit \"\${unit}\")
  file(WRITE ${CMAKE_BINARY_DIR}/generated/currentsd.service \"\${unit}\")")
install(FILES ${CMAKE_BINARY_DIR}/generated/currentsd.service
  deploy/systemd/currentsd.socket DESTINATION lib/systemd/system)

add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/generated/completion
  COMMAND currentsd completion bash >${CMAKE_BINARY_DIR}/generated/completion
  DEPENDS currentsd)
add_custom_target(completion ALL
  DEPENDS ${CMAKE_BINARY_DIR}/generated/completion)
# What is installed and has to be built.
add_custom_target(installed)
add_dependencies(installed currentsd completion manual_pages)
install(FILES ${CMAKE_BINARY_DIR}/generated/completion RENAME currentsd
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)

# As they are in the tree, so that their links hold.
install(FILES README.md CHANGELOG.md CONTRIBUTING.md LICENSE SECURITY.md
  deploy/openapi.json DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES deploy/OPERATING.md deploy/MAPPING.md deploy/SEGMENTS.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR}/deploy)
install(DIRECTORY deploy/doc DESTINATION ${CMAKE_INSTALL_DOCDIR}/deploy)
install(FILES deploy/currentsd.conf deploy/currentsd.env
  schema/currents/events.json DESTINATION ${examples})
install(PROGRAMS deploy/drift-to-catalogue.py DESTINATION ${examples})
# Those for a reverse proxy, for monitoring and for containers.
foreach(with nginx caddy haproxy apache prometheus grafana docker kubernetes)
  install(DIRECTORY deploy/${with} DESTINATION ${examples} OPTIONAL
    PATTERN secrets EXCLUDE)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME currentsd)
set(CPACK_PACKAGE_CONTACT
  "currentsd maintainers <maintainers@currentsd.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
  "Delivers Braze Currents events to Heap, and Heap's segments to Braze")
set(CPACK_PACKAGE_DESCRIPTION
"A daemon that receives the webhooks of Braze Currents, keeps the events in a
queue on disk, and delivers them to Heap within Heap's quotas. The other way,
it receives the segments of Heap and writes them to Braze as audiences. It
answers only once a batch is on disk, and accounts for every event.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
  WORLD_READ WORLD_EXECUTE)
# What only the Debian package has.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/deploy/debian/stage.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "adduser, ca-certificates, debconf (>= 0.5) | debconf-2.0")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS tzdata)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(file postinst prerm postrm templates conffiles)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/deploy/debian/${file})
endforeach()
include(CPack)
