# What Debian asks of a package's files besides where they are: copyright and changelog of each,
# manuals and changelogs compressed (without a time, so that the same files give the same package).
# Run by CPack between installing and packing; each package has a folder of its own by now.

function(compress)
  execute_process(COMMAND gzip -9n ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

foreach(package cairn libcairn0 libcairn-dev)
  set(root ${CPACK_TEMPORARY_DIRECTORY}/${package})
  if(NOT EXISTS ${root})
    continue() # not all of them are made
  endif()
  set(documents ${root}/usr/share/doc/${package})
  file(COPY ${CPACK_CAIRN_SOURCE_DIR}/examples/packaging/debian/copyright
    DESTINATION ${documents} FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  configure_file(${CPACK_CAIRN_SOURCE_DIR}/examples/packaging/debian/changelog
    ${documents}/changelog.Debian COPYONLY)
  configure_file(${CPACK_CAIRN_SOURCE_DIR}/CHANGELOG.md ${documents}/changelog COPYONLY)
  configure_file(${CPACK_CAIRN_SOURCE_DIR}/examples/packaging/debian/overrides/${package}
    ${root}/usr/share/lintian/overrides/${package} COPYONLY)
  file(GLOB manuals ${root}/usr/share/man/man*/*.[1-9])
  compress(${documents}/changelog.Debian ${documents}/changelog ${manuals})
endforeach()
# These say the same as the files above.
file(REMOVE ${CPACK_TEMPORARY_DIRECTORY}/cairn/usr/share/doc/cairn/LICENSE
  ${CPACK_TEMPORARY_DIRECTORY}/cairn/usr/share/doc/cairn/CHANGELOG.md)
# Where zsh looks for what packages bring; the other folder is the administrator's.
set(zsh ${CPACK_TEMPORARY_DIRECTORY}/cairn/usr/share/zsh)
if(EXISTS ${zsh}/site-functions)
  file(RENAME ${zsh}/site-functions ${zsh}/vendor-completions)
endif()
