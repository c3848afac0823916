#include "packer/site/site_notes.h"

#include "common/mem.h"

#include <stdlib.h>

void site_notes_add(struct site_notes *notes, struct site_note note)
{
    if (notes->count == notes->capacity) {
        notes->capacity = mem_capacity(notes->capacity, notes->count + 1);
        notes->rows = mem_resize(notes->rows, notes->capacity, sizeof *notes->rows);
    }
    notes->rows[notes->count++] = note;
}

void site_notes_fini(struct site_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++) {
        free(notes->rows[i].text);
    }
    free(notes->rows);
    *notes = (struct site_notes){0};
}
