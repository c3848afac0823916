# What `cmake --install` puts where (docs/install.md). Components: programs, library, development.
# Everything is below the prefix, which may be chosen as late as `cmake --install --prefix`; files
# that name it are written then.

set(CAIRN_DOC_DIR ${CMAKE_INSTALL_DATAROOTDIR}/doc/cairn)

# FILE.in of the sources becomes FILE below the prefix, with @PREFIX@, @BINDIR@ and so on replaced.
function(cairn_install_configured source destination component)
  get_filename_component(name ${source} NAME)
  string(REGEX REPLACE "\\.in$" "" name ${name})
  install(CODE "
    set(PREFIX \"\${CMAKE_INSTALL_PREFIX}\")
    set(BINDIR \"${CMAKE_INSTALL_BINDIR}\")
    set(LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
    set(INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
    set(VERSION \"${PROJECT_VERSION}\")
    string(MD5 place \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\")
    set(written \"${PROJECT_BINARY_DIR}/installed/\${place}/${name}\")
    configure_file(\"${PROJECT_SOURCE_DIR}/${source}\" \"\${written}\" @ONLY)
    file(INSTALL DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${destination}\" TYPE FILE
      FILES \"\${written}\")"
    COMPONENT ${component})
endfunction()

# ---- the programs, and what is there to read ----

install(TARGETS cairn-pack cairn-serve cairn-ctl RUNTIME COMPONENT programs)
install(FILES README.md CHANGELOG.md CONTRIBUTING.md LICENSE
  DESTINATION ${CAIRN_DOC_DIR} COMPONENT programs)
install(DIRECTORY docs/ DESTINATION ${CAIRN_DOC_DIR}/docs COMPONENT programs
  PATTERN man EXCLUDE)
install(DIRECTORY examples/ DESTINATION ${CAIRN_DOC_DIR}/examples COMPONENT programs
  PATTERN packaging EXCLUDE PATTERN read_archive.c EXCLUDE)

# ---- the library ----

install(TARGETS cairn_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT library NAMELINK_COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/lib/libcairn.a DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT development)
install(FILES common/cairn.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES examples/read_archive.c DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/libcairn-dev/examples
  COMPONENT development)
cairn_install_configured(common/cairn.pc.in ${CMAKE_INSTALL_LIBDIR}/pkgconfig development)
