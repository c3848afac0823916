/* Apart from version.c, so that a program without these libraries does not need them. */
#include "common/hash.h"
#include "common/key.h"
#include "common/version.h"

void version_common_libraries(struct library out[COMMON_LIBRARIES])
{
    out[0] = (struct library){"OpenSSL", key_library_version()};
    out[1] = (struct library){"xxHash", hash_library_version()};
}
