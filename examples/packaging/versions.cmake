# Read when packages are made, which is when their version is certain: `cpack -D
# CPACK_DEBIAN_PACKAGE_RELEASE=2` makes the next one of the same sources.
set(CPACK_DEBIAN_LIBCAIRN-DEV_PACKAGE_DEPENDS
  "libcairn0 (= ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}), libssl-dev")
