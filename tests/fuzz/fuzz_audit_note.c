/* links: gw_audit */
#include "gateway/audit/anchor_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Notes, keys and files of anchors from anywhere. The input is also signed as a text: that must be
 * accepted if it can be a note at all, and not when a byte of it differs. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct note_signer *signer;
    static struct buf note;
    const char *text = (const char *)data;
    const char *why;
    struct checkpoint_note c;
    struct anchors anchors;
    struct note_key key;
    struct note_signer *other;
    size_t line;
    size_t text_len = 0;

    if (signer == NULL) {
        static const uint8_t seed[NOTE_KEY_BYTES] = {1, 2, 3};

        signer = note_signer_create("exchange.example/audit", seed);
    }
    GW_ASSERT(!note_verify(text, len, note_signer_key(signer), &text_len, &why) || len > 100);
    (void)!checkpoint_verify(text, len, note_signer_key(signer), &c, &why);
    (void)!anchors_read(text, len, note_signer_key(signer), 0, &anchors, &line, &why);
    anchors_fini(&anchors);
    if (note_key_parse(text, len, &key)) {
        buf_reset(&note);
        note_key_print(&key, &note);
        GW_ASSERT(note.len == len && memcmp(note.data, text, len) == 0);
    }
    other = note_signer_parse(text, len);
    note_signer_destroy(&other);
    if (len > 1 && len < 4096 && text[len - 1] == '\n') {
        buf_reset(&note);
        note_sign(signer, text, len, &note);
        if (note_verify(note.data, note.len, note_signer_key(signer), &text_len, &why)) {
            GW_ASSERT(text_len == len);
            note.data[data[0] % len] ^= 1;
            GW_ASSERT(!note_verify(note.data, note.len, note_signer_key(signer), &text_len, &why));
        }
    }
    return 0;
}
