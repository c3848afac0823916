# Writes a C file with the bytes of the script: cmake -DSCRIPT=FILE -DOUTPUT=FILE -P embed.cmake
file(READ ${SCRIPT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)"
  "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"http/live_script.h\"

static const char bytes[] = {
${bytes}
};

const struct slice live_script = {bytes, sizeof bytes};
")
