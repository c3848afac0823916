#include "http/h1_body.h"

#include "http/token.h"

/* chunked-body (RFC 9112 §7.1), byte by byte. Bare CR and LF end nothing, nowhere (§2.2): a proxy
 * that reads them otherwise would see another request behind this one. */
enum step {
    SIZE_START,      /* before the first digit */
    SIZE,            /* behind a digit */
    EXTENSION_SPACE, /* behind white space: only ';' may follow (§7.1.1) */
    EXTENSION_NAME,  /* behind ';' and white space: the name begins */
    EXTENSION_IN_NAME,
    EXTENSION_AFTER_NAME, /* behind white space: '=' or ';' */
    EXTENSION_VALUE,      /* behind '=' and white space: the value begins */
    EXTENSION_IN_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_AFTER_QUOTED,
    SIZE_END, /* behind CR: LF */
    DATA,
    DATA_END_CR,
    DATA_END_LF,
    TRAILER_START, /* a field line or the empty one */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    WRONG,
};

enum { SIZE_DIGITS_MAX = 16 };

void h1_body_init(struct h1_body *body, const struct request *request, uint64_t bytes_max)
{
    *body = (struct h1_body){
        .left = request->body_bytes,
        .bytes_max = bytes_max,
        .is_chunked = request->body == BODY_CHUNKED,
    };
}

static int hex_value(unsigned char byte)
{
    if ((unsigned char)(byte - '0') < 10) {
        return byte - '0';
    }
    byte |= 0x20;
    return (unsigned char)(byte - 'a') < 6 ? byte - 'a' + 10 : -1;
}

static bool is_blank(unsigned char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Visible, a blank, or from 0x80 on (RFC 9110 §5.5). */
static bool is_text(unsigned char byte)
{
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

static enum step after_size_line(const struct h1_body *body)
{
    return body->left == 0 ? TRAILER_START : DATA;
}

static enum step size_step(struct h1_body *body, enum step step, unsigned char byte)
{
    int digit = hex_value(byte);
    if (digit >= 0) {
        if (body->digits++ == SIZE_DIGITS_MAX) {
            return WRONG;
        }
        body->left = body->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (step == SIZE_START) {
        return WRONG;
    }
    return byte == '\r'     ? SIZE_END
           : byte == ';'    ? EXTENSION_NAME
           : is_blank(byte) ? EXTENSION_SPACE
                            : WRONG;
}

/* chunk-ext (RFC 9112 §7.1.1): what follows one byte of it. */
static enum step extension_step(enum step step, unsigned char byte)
{
    enum step end = byte == '\r' ? SIZE_END : byte == ';' ? EXTENSION_NAME : WRONG;
    switch (step) {
    case EXTENSION_SPACE:
        return is_blank(byte) ? EXTENSION_SPACE : byte == ';' ? EXTENSION_NAME : WRONG;
    case EXTENSION_NAME:
        return is_blank(byte) ? EXTENSION_NAME : is_token_byte(byte) ? EXTENSION_IN_NAME : WRONG;
    case EXTENSION_IN_NAME:
        return is_token_byte(byte) ? EXTENSION_IN_NAME
               : byte == '='       ? EXTENSION_VALUE
               : is_blank(byte)    ? EXTENSION_AFTER_NAME
                                   : end;
    case EXTENSION_AFTER_NAME:
        return is_blank(byte) ? EXTENSION_AFTER_NAME
               : byte == '='  ? EXTENSION_VALUE
               : byte == ';'  ? EXTENSION_NAME
                              : WRONG;
    case EXTENSION_VALUE:
        return is_blank(byte)        ? EXTENSION_VALUE
               : byte == '"'         ? EXTENSION_QUOTED
               : is_token_byte(byte) ? EXTENSION_IN_VALUE
                                     : WRONG;
    case EXTENSION_IN_VALUE:
        return is_token_byte(byte) ? EXTENSION_IN_VALUE : is_blank(byte) ? EXTENSION_SPACE : end;
    case EXTENSION_QUOTED:
        return byte == '"'     ? EXTENSION_AFTER_QUOTED
               : byte == '\\'  ? EXTENSION_ESCAPED
               : is_text(byte) ? EXTENSION_QUOTED
                               : WRONG;
    case EXTENSION_ESCAPED:
        return is_text(byte) ? EXTENSION_QUOTED : WRONG;
    default: /* EXTENSION_AFTER_QUOTED */
        return is_blank(byte) ? EXTENSION_SPACE : end;
    }
}

/* trailer-section (RFC 9112 §7.1.2): field lines, dropped. */
static enum step trailer_step(enum step step, unsigned char byte)
{
    switch (step) {
    case TRAILER_START:
        return byte == '\r' ? LAST_LF : is_token_byte(byte) ? TRAILER_NAME : WRONG;
    case TRAILER_NAME:
        return byte == ':' ? TRAILER_VALUE : is_token_byte(byte) ? TRAILER_NAME : WRONG;
    case TRAILER_VALUE:
        return byte == '\r' ? TRAILER_LF : is_text(byte) ? TRAILER_VALUE : WRONG;
    case TRAILER_LF:
        return byte == '\n' ? TRAILER_START : WRONG;
    default: /* LAST_LF */
        return byte == '\n' ? DONE : WRONG;
    }
}

static enum step next_step(struct h1_body *body, unsigned char byte)
{
    enum step step = body->step;
    if (step <= SIZE) {
        return size_step(body, step, byte);
    }
    if (step < SIZE_END) {
        return extension_step(step, byte);
    }
    switch (step) {
    case SIZE_END:
        return byte == '\n' ? after_size_line(body) : WRONG;
    case DATA_END_CR:
        return byte == '\r' ? DATA_END_LF : WRONG;
    case DATA_END_LF:
        body->digits = 0;
        return byte == '\n' ? SIZE_START : WRONG;
    default:
        return trailer_step(step, byte);
    }
}

/* Framing may be as long as the data, and a little more: extensions and trailers have no end either
 * (RFC 9112 §7.1.1). */
enum { FRAMING_BYTES_MAX = 16384 };

static bool is_too_much(const struct h1_body *body)
{
    bool is_chunk_too_long = body->step == DATA && body->left > body->bytes_max - body->data;
    return is_chunk_too_long || body->framing > FRAMING_BYTES_MAX + body->bytes_max;
}

static enum h1_result skip_chunked(struct h1_body *body, struct slice input, size_t *out_used,
                                   unsigned *out_status)
{
    size_t at = 0;
    while (at < input.count && body->step != DONE) {
        if (body->step == DATA) {
            size_t piece = input.count - at;
            piece = body->left < piece ? (size_t)body->left : piece;
            at += piece;
            body->left -= piece;
            body->data += piece;
            body->step = body->left == 0 ? DATA_END_CR : DATA;
            continue;
        }
        *out_status = 400;
        body->framing++;
        enum step next = next_step(body, (unsigned char)input.bytes[at++]);
        if (next == WRONG) {
            return H1_BAD;
        }
        body->step = (uint8_t)next;
        if (is_too_much(body)) {
            *out_status = 413;
            return H1_BAD;
        }
    }
    *out_used = at;
    return body->step == DONE ? H1_OK : H1_MORE;
}

enum h1_result h1_body_skip(struct h1_body *body, struct slice input, size_t *out_used,
                            unsigned *out_status)
{
    if (body->is_chunked) {
        return skip_chunked(body, input, out_used, out_status);
    }
    *out_status = 413;
    if (body->data > body->bytes_max || body->left > body->bytes_max - body->data) {
        return H1_BAD; /* known from the first byte on */
    }
    size_t piece = body->left < input.count ? (size_t)body->left : input.count;
    body->left -= piece;
    body->data += piece;
    *out_used = piece;
    return body->left == 0 ? H1_OK : H1_MORE;
}
