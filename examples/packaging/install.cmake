# What `cmake --install` puts where (docs/install.md). Components: programs, library, development.
# Everything is below the prefix, which may be chosen as late as `cmake --install --prefix`; files
# that name it are written then.

set(CAIRN_DOC_DIR ${CMAKE_INSTALL_DATAROOTDIR}/doc/cairn)

# FILE.in of the sources becomes FILE, with @PREFIX@, @LIBDIR@ and so on replaced, and the folder of
# the programs wherever it says /usr/local/bin. The destination is below the prefix unless absolute.
function(cairn_install_configured source destination component)
  if(NOT IS_ABSOLUTE ${destination})
    set(destination "\${CMAKE_INSTALL_PREFIX}/${destination}")
  endif()
  get_filename_component(name ${source} NAME)
  string(REGEX REPLACE "\\.in$" "" name ${name})
  install(CODE "
    set(PREFIX \"\${CMAKE_INSTALL_PREFIX}\")
    set(LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
    set(INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
    set(VERSION \"${PROJECT_VERSION}\")
    string(MD5 place \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\")
    set(written \"${PROJECT_BINARY_DIR}/installed/\${place}/${name}\")
    file(READ \"${PROJECT_SOURCE_DIR}/${source}\" text)
    string(CONFIGURE \"\${text}\" text @ONLY)
    string(REPLACE /usr/local/bin \"\${PREFIX}/${CMAKE_INSTALL_BINDIR}\" text \"\${text}\")
    file(WRITE \"\${written}\" \"\${text}\")
    file(INSTALL DESTINATION \"${destination}\" TYPE FILE FILES \"\${written}\")"
    COMPONENT ${component} ${ARGN})
endfunction()

# ---- the programs, and what is there to read ----

install(TARGETS cairn-pack cairn-serve cairn-ctl RUNTIME COMPONENT programs)
install(FILES README.md CHANGELOG.md CONTRIBUTING.md LICENSE
  DESTINATION ${CAIRN_DOC_DIR} COMPONENT programs)
install(DIRECTORY docs/ DESTINATION ${CAIRN_DOC_DIR}/docs COMPONENT programs
  PATTERN man EXCLUDE)
install(DIRECTORY examples/ DESTINATION ${CAIRN_DOC_DIR}/examples COMPONENT programs
  USE_SOURCE_PERMISSIONS PATTERN packaging EXCLUDE PATTERN completions EXCLUDE
  PATTERN read_archive.c EXCLUDE PATTERN node_modules EXCLUDE PATTERN dist EXCLUDE
  REGEX "/hugo/(public|resources)$" EXCLUDE PATTERN .gitignore EXCLUDE)

# The same completion under the name of each program: bash and fish look for it by that.
foreach(program cairn-pack cairn-serve cairn-ctl)
  install(FILES examples/completions/cairn.bash RENAME ${program}
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/bash-completion/completions COMPONENT programs)
  install(FILES examples/completions/cairn.fish RENAME ${program}.fish
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/fish/vendor_completions.d COMPONENT programs)
endforeach()
install(FILES examples/completions/_cairn
  DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/zsh/site-functions COMPONENT programs)

# ---- the library ----

install(TARGETS cairn_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT library NAMELINK_COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/lib/libcairn.a DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT development)
install(FILES common/cairn.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES examples/read_archive.c
  DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/libcairn-dev/examples COMPONENT development)
cairn_install_configured(common/cairn.pc.in ${CMAKE_INSTALL_LIBDIR}/pkgconfig development)

# ---- units: systemd looks below /usr/local/lib, too ----

cairn_install_configured(examples/cairn.service lib/systemd/system units)
install(FILES examples/cairn.socket DESTINATION lib/systemd/system COMPONENT units)

include(${CMAKE_CURRENT_LIST_DIR}/packages.cmake)
