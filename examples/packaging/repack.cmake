# CPack gives a package with a shared library scripts that call ldconfig. Its trigger does that, once
# for all packages of a run, so the scripts come out again.

foreach(package IN LISTS CPACK_PACKAGE_FILES)
  if(package MATCHES "/libcairn0_[^/]*$")
    set(contents ${CPACK_TEMPORARY_DIRECTORY}/repacked)
    file(REMOVE_RECURSE ${contents})
    execute_process(COMMAND dpkg-deb --raw-extract ${package} ${contents}
      COMMAND_ERROR_IS_FATAL ANY)
    file(REMOVE ${contents}/DEBIAN/postinst ${contents}/DEBIAN/postrm)
    execute_process(COMMAND dpkg-deb --root-owner-group --build ${contents} ${package}
      OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  endif()
endforeach()
