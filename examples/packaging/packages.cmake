# Debian packages by CPack, out of a tree whose prefix is /usr, as the preset `release` has it:
#     cpack --config build/release/CPackConfig.cmake
# cairn has the programs, libcairn0 the shared library, libcairn-dev what programs are built with.

# What only the package has, at places that no prefix decides.
set(debian ${CMAKE_CURRENT_LIST_DIR}/debian)
cairn_install_configured(examples/cairn.service /lib/systemd/system debian EXCLUDE_FROM_ALL)
install(FILES examples/cairn.socket DESTINATION /lib/systemd/system
  COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES examples/serve.conf DESTINATION /etc/cairn COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${debian}/cairn.logrotate DESTINATION /etc/logrotate.d RENAME cairn
  COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${debian}/cairn.tmpfiles DESTINATION /usr/lib/tmpfiles.d RENAME cairn.conf
  COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/finish.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/repack.cmake)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/versions.cmake)
set(CPACK_CAIRN_SOURCE_DIR ${PROJECT_SOURCE_DIR}) # for finish.cmake
set(CPACK_PACKAGE_CONTACT "The Cairn authors <authors@cairn.example>")
# CPack's own default, by which it knows that there is none; another would go before each description
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${CMAKE_PROJECT_NAME} built using CMake")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL programs debian library development)
set(CPACK_COMPONENT_PROGRAMS_GROUP cairn)
set(CPACK_COMPONENT_DEBIAN_GROUP cairn)
set(CPACK_COMPONENT_LIBRARY_GROUP libcairn0)
set(CPACK_COMPONENT_DEVELOPMENT_GROUP libcairn-dev)

set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)

set(CPACK_DEBIAN_CAIRN_PACKAGE_NAME cairn)
set(CPACK_DEBIAN_CAIRN_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_CAIRN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_CAIRN_PACKAGE_RECOMMENDS logrotate)
set(CPACK_DEBIAN_CAIRN_DESCRIPTION
"static site server that takes releases live without a pause
Cairn packs a static web site into one append-only archive, release upon
release, and serves it from there over HTTP/1.1.  What can be decided before
a request comes is decided when the site is packed: media types, entity
tags, redirects, compressed forms.

A new release goes live, or the one before comes back, in one atomic step;
no request fails or sees parts of two.  The server confines itself with
Landlock and seccomp, and hands its sockets over when it is upgraded.

This package has cairn-pack, which packs, cairn-serve, which serves, and
cairn-ctl, which tells a running server what to do.")
set(CPACK_DEBIAN_CAIRN_PACKAGE_CONTROL_EXTRA
  ${debian}/postinst ${debian}/prerm ${debian}/postrm ${debian}/conffiles)

set(CPACK_DEBIAN_LIBCAIRN0_PACKAGE_NAME libcairn0)
set(CPACK_DEBIAN_LIBCAIRN0_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBCAIRN0_DESCRIPTION
"library that reads archives of the Cairn static site server
Cairn keeps all releases of a web site in one archive, with an index for
each.  This library opens them, finds paths, and reads and verifies what is
stored for them.

This package has the shared library.")
set(CPACK_DEBIAN_LIBCAIRN0_PACKAGE_CONTROL_EXTRA ${debian}/triggers)

set(CPACK_DEBIAN_LIBCAIRN-DEV_PACKAGE_NAME libcairn-dev)
set(CPACK_DEBIAN_LIBCAIRN-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBCAIRN-DEV_DESCRIPTION
"library that reads archives of the Cairn static site server (development)
Cairn keeps all releases of a web site in one archive, with an index for
each.  This library opens them, finds paths, and reads and verifies what is
stored for them.

This package has the header, the static library and an example.")
include(CPack)
