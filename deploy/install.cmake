# What `cmake --install` and the Debian package bring: programs, manual pages and completions written
# by the programs themselves, the systemd unit, documents.
include(GNUInstallDirs)

set(documentation ${CMAKE_BINARY_DIR}/documentation)
file(MAKE_DIRECTORY ${documentation})
set(documents)
foreach(page larql:1 larql-node:8)
  string(REPLACE ":" ";" page ${page})
  list(GET page 0 program)
  list(GET page 1 section)
  add_custom_command(OUTPUT ${documentation}/${program}.${section}.gz
    COMMAND ${program} --help-man > ${program}.${section}
    COMMAND gzip -9nf ${program}.${section}
    WORKING_DIRECTORY ${documentation} DEPENDS ${program} VERBATIM)
  list(APPEND documents ${documentation}/${program}.${section}.gz)
  install(FILES ${documentation}/${program}.${section}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  foreach(shell bash zsh fish)
    add_custom_command(OUTPUT ${documentation}/${program}.${shell}
      COMMAND ${program} --help-completion ${shell} > ${program}.${shell}
      WORKING_DIRECTORY ${documentation} DEPENDS ${program} VERBATIM)
    list(APPEND documents ${documentation}/${program}.${shell})
  endforeach()
  install(FILES ${documentation}/${program}.bash RENAME ${program}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${documentation}/${program}.zsh RENAME _${program}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  install(FILES ${documentation}/${program}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endforeach()
add_custom_target(larql_documentation ALL DEPENDS ${documents})

install(TARGETS larql larql-node RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/CHANGELOG.md TYPE DOC)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE RENAME copyright TYPE DOC)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs TYPE DOC)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/deploy/topologies DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES ${CMAKE_SOURCE_DIR}/deploy/prometheus/larql.rules.yml DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
foreach(example node.env tls.conf serve.env serve-keys.conf)
  install(FILES ${CMAKE_SOURCE_DIR}/deploy/systemd/${example} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
endforeach()
# Units name their program by its whole path. A package is staged elsewhere and installed in /usr.
install(CODE "set(units \"${CMAKE_SOURCE_DIR}/deploy/systemd/larql-node@.service\" \"${CMAKE_SOURCE_DIR}/deploy/systemd/larql-serve@.service\")")
install(CODE [[
  foreach(unit_source IN LISTS units)
    file(READ "${unit_source}" unit)
    if(NOT CMAKE_INSTALL_PREFIX MATCHES "_CPack_Packages")
      string(REPLACE "=/usr/bin/" "=${CMAKE_INSTALL_PREFIX}/bin/" unit "${unit}")
    endif()
    get_filename_component(unit_name "${unit_source}" NAME)
    set(unit_file "${CMAKE_INSTALL_PREFIX}/lib/systemd/system/${unit_name}")
    message(STATUS "Installing: $ENV{DESTDIR}${unit_file}")
    file(WRITE "$ENV{DESTDIR}${unit_file}" "${unit}")
  endforeach()
]])

# `cmake --build --target package`, or cpack in the build directory: a .deb whose dependencies are the
# libraries that the programs were linked with.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME larql)
set(CPACK_PACKAGE_VENDOR larql)
set(CPACK_PACKAGE_CONTACT "larql maintainers <maintainers@larql.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/deploy/debian/postinst ${CMAKE_SOURCE_DIR}/deploy/debian/prerm
  ${CMAKE_SOURCE_DIR}/deploy/debian/postrm)
# A package for another architecture: the tool that finds the libraries has to know for which.
if(CPACK_DEBIAN_PACKAGE_ARCHITECTURE)
  set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_BINARY_DIR}/package_architecture.cmake)
  file(WRITE ${CPACK_PROJECT_CONFIG_FILE} "set(ENV{DEB_HOST_ARCH} ${CPACK_DEBIAN_PACKAGE_ARCHITECTURE})\n")
endif()
include(CPack)
