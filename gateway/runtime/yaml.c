#include "gateway/runtime/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define YAML_MAX_DEPTH 32u

struct yaml_node {
    enum yaml_kind kind;
    unsigned line;
    char *text;               /* scalar */
    struct yaml_node **items; /* list: children; map: key, value, key, value ... */
    size_t count;
};

struct yaml_doc {
    yaml_document_t doc;
    struct yaml_node *nodes; /* one per libyaml node, same order */
    size_t node_count;
};

static void bad(struct buf *errors, const char *path, unsigned line, const char *what)
{
    buf_printf(errors, "%s:%u: %s\n", path, line, what);
}

static void copy_sequence(struct yaml_doc *d, const yaml_node_t *from, struct yaml_node *to)
{
    const yaml_node_item_t *first = from->data.sequence.items.start;

    to->kind = YAML_LIST;
    to->count = (size_t)(from->data.sequence.items.top - first);
    to->items = gw_calloc(to->count, sizeof(struct yaml_node *));
    for (size_t i = 0; i < to->count; i++) {
        to->items[i] = &d->nodes[first[i] - 1];
    }
}

static void copy_mapping(struct yaml_doc *d, const yaml_node_t *from, struct yaml_node *to)
{
    const yaml_node_pair_t *first = from->data.mapping.pairs.start;

    to->kind = YAML_MAP;
    to->count = (size_t)(from->data.mapping.pairs.top - first);
    to->items = gw_calloc(to->count * 2, sizeof(struct yaml_node *));
    for (size_t i = 0; i < to->count; i++) {
        to->items[2 * i] = &d->nodes[first[i].key - 1];
        to->items[2 * i + 1] = &d->nodes[first[i].value - 1];
    }
}

static void copy_nodes(struct yaml_doc *d)
{
    const yaml_node_t *first = d->doc.nodes.start;

    d->node_count = (size_t)(d->doc.nodes.top - first);
    d->nodes = gw_calloc(d->node_count, sizeof *d->nodes);
    for (size_t i = 0; i < d->node_count; i++) {
        struct yaml_node *to = &d->nodes[i];

        to->line = (unsigned)first[i].start_mark.line + 1;
        switch (first[i].type) {
        case YAML_SEQUENCE_NODE:
            copy_sequence(d, &first[i], to);
            break;
        case YAML_MAPPING_NODE:
            copy_mapping(d, &first[i], to);
            break;
        case YAML_SCALAR_NODE:
        case YAML_NO_NODE:
            to->kind = YAML_SCALAR;
            to->text = gw_strdup((const char *)first[i].data.scalar.value);
            break;
        }
    }
}

/* Visits each node once: an alias shows as a second visit. Map keys must be distinct scalars. */
static bool check(const struct yaml_node *n, unsigned depth, unsigned char *seen,
                  const struct yaml_doc *d, const char *path, struct buf *errors)
{
    size_t children = n->kind == YAML_MAP ? n->count * 2 : n->kind == YAML_LIST ? n->count : 0;
    bool ok = true;

    if (seen[n - d->nodes]++ != 0) {
        bad(errors, path, n->line, "anchors and aliases are not supported: write the value out");
        return false;
    }
    if (depth > YAML_MAX_DEPTH) {
        bad(errors, path, n->line, "nested too deeply: at most 32 levels");
        return false;
    }
    for (size_t i = 0; n->kind == YAML_MAP && i < n->count; i++) {
        const struct yaml_node *key = yaml_key(n, i);

        if (key->kind != YAML_SCALAR) {
            bad(errors, path, key->line, "a key must be plain text");
            ok = false;
            continue;
        }
        for (size_t k = 0; n->count <= 256 && k < i; k++) {
            const struct yaml_node *other = yaml_key(n, k);

            if (other->kind == YAML_SCALAR && strcmp(other->text, key->text) == 0) {
                buf_printf(errors, "%s:%u: %s: given twice, first in line %u\n", path, key->line,
                           key->text, other->line);
                ok = false;
            }
        }
    }
    for (size_t i = 0; i < children; i++) {
        ok = check(n->items[i], depth + 1, seen, d, path, errors) && ok;
    }
    return ok;
}

static bool parse(FILE *file, const char *path, struct yaml_doc *d, struct buf *errors)
{
    yaml_parser_t parser;
    bool ok;

    if (yaml_parser_initialize(&parser) == 0) {
        bad(errors, path, 0, "out of memory");
        return false;
    }
    yaml_parser_set_input_file(&parser, file);
    ok = yaml_parser_load(&parser, &d->doc) != 0;
    if (!ok) {
        buf_printf(errors, "%s:%zu: not YAML: %s\n", path, parser.problem_mark.line + 1,
                   parser.problem != NULL ? parser.problem : "unreadable");
    }
    yaml_parser_delete(&parser);
    return ok;
}

static enum gw_err build(struct yaml_doc *d, const char *path, const struct yaml_node **root,
                         struct buf *errors)
{
    unsigned char *seen;
    bool ok;

    copy_nodes(d);
    if (d->node_count == 0) {
        return GW_OK;
    }
    seen = gw_calloc(d->node_count, 1);
    ok = check(&d->nodes[0], 0, seen, d, path, errors);
    free(seen);
    *root = ok ? &d->nodes[0] : NULL;
    return ok ? GW_OK : GW_ECONFIG;
}

enum gw_err yaml_open(const char *path, struct yaml_doc **out, const struct yaml_node **root,
                      struct buf *errors)
{
    struct yaml_doc *d;
    FILE *file = fopen(path, "rbe");
    enum gw_err err = GW_ECONFIG;
    long size;

    *out = NULL;
    *root = NULL;
    if (file == NULL) {
        buf_printf(errors, "%s:0: cannot be opened: %s\n", path, strerror(errno));
        return GW_ECONFIG;
    }
    d = gw_calloc(1, sizeof *d);
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 || size > (long)YAML_MAX_BYTES) {
        bad(errors, path, 0, "not a regular file of at most 16 MiB");
    } else {
        rewind(file);
        if (parse(file, path, d, errors)) {
            err = build(d, path, root, errors);
        }
    }
    (void)fclose(file);
    *out = d;
    if (err != GW_OK) {
        yaml_close(out);
    }
    return err;
}

void yaml_close(struct yaml_doc **docp)
{
    struct yaml_doc *d = *docp;

    *docp = NULL;
    if (d != NULL) {
        for (size_t i = 0; i < d->node_count; i++) {
            free(d->nodes[i].text);
            free(d->nodes[i].items);
        }
        free(d->nodes);
        yaml_document_delete(&d->doc);
        free(d);
    }
}

enum yaml_kind yaml_kind(const struct yaml_node *n)
{
    return n->kind;
}

unsigned yaml_line(const struct yaml_node *n)
{
    return n->line;
}

const char *yaml_text(const struct yaml_node *n)
{
    GW_ASSERT(n->kind == YAML_SCALAR);
    return n->text;
}

size_t yaml_count(const struct yaml_node *n)
{
    return n->count;
}

const struct yaml_node *yaml_item(const struct yaml_node *list, size_t i)
{
    GW_ASSERT(list->kind == YAML_LIST && i < list->count);
    return list->items[i];
}

const struct yaml_node *yaml_key(const struct yaml_node *map, size_t i)
{
    GW_ASSERT(map->kind == YAML_MAP && i < map->count);
    return map->items[2 * i];
}

const struct yaml_node *yaml_value(const struct yaml_node *map, size_t i)
{
    GW_ASSERT(map->kind == YAML_MAP && i < map->count);
    return map->items[2 * i + 1];
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++) {
        if (map->items[2 * i]->kind == YAML_SCALAR && strcmp(map->items[2 * i]->text, key) == 0) {
            return map->items[2 * i + 1];
        }
    }
    return NULL;
}
