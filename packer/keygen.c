#include "packer/keygen.h"

#include "common/key.h"
#include "common/mem.h"

#include <stdlib.h>

int keygen(const char *path, FILE *out, struct error *error)
{
    struct private_key *key;
    int status = private_key_new(&key, error);
    if (status != 0) {
        return status;
    }
    char *public_path = mem_format("%s.pub", path);
    status = private_key_write(key, path, public_path, error);
    if (status == 0) {
        char id[KEY_ID_TEXT_BYTES];
        fprintf(out,
                "key %s\n"
                "%s: keep it secret; cairn-pack add --sign %s signs releases with it\n"
                "%s: give it to servers; cairn-serve --trust %s loads nothing else\n",
                key_id_text(private_key_id(key), id), path, path, public_path, public_path);
    }
    private_key_free(key);
    free(public_path);
    return status;
}
