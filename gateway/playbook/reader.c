/* gateway/playbook/reader.c - a folder of playbooks: ID.yaml each, and contacts.yaml. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/playbook/playbook_priv.h"

#define CONTACTS   "contacts.yaml"
#define NEED_MOST  86400u
#define BELOW_MOST (UINT64_C(1) << 40)

/* --- exit conditions --------------------------------------------------------------------------- */

static bool read_counter(struct reading *r, const struct yaml_node *map, const char *where,
                         enum playbook_counter *out)
{
    const char *word = reading_text(r, map, where, "counter", (struct field_rule){1, 40, false});
    struct buf wanted = {0};

    for (unsigned i = 0; word != NULL && i < PLAYBOOK_COUNTER_COUNT; i++) {
        if (strcmp(playbook_counter_rows[i].word, word) == 0) {
            *out = (enum playbook_counter)i;
            buf_fini(&wanted);
            return true;
        }
        buf_printf(&wanted, "%s%s", i != 0 ? ", " : "counter: no such counter; known: ",
                   playbook_counter_rows[i].word);
    }
    if (word != NULL) {
        reading_bad(r, yaml_get(map, "counter"), where, buf_cstr(&wanted));
    }
    buf_fini(&wanted);
    return false;
}

static void read_exit(struct reading *r, const struct yaml_node *map, const char *where,
                      struct playbook_exit *e)
{
    static const char *const keys[] = {"id", "text", "counter", "need", "below", NULL};
    bool yes;

    if (!reading_keys(r, map, where, keys)) {
        return;
    }
    e->id = reading_id(r, map, where);
    e->text = reading_text(r, map, where, "text", (struct field_rule){1, 200, false});
    if (!read_counter(r, map, where, &e->counter)) {
        return;
    }
    yes = strcmp(playbook_counter_rows[e->counter].unit, "yes") == 0;
    e->need = reading_number(r, map, where, "need", yes ? 1 : NEED_MOST, false);
    if (e->counter == COUNTER_BACKLOG_BELOW) {
        e->below = reading_number(r, map, where, "below", BELOW_MOST, false);
    } else if (yaml_get(map, "below") != NULL) {
        reading_bad(r, yaml_get(map, "below"), where, "below: is for backlog_below_s alone");
    }
}

static void read_exits(struct reading *r, const struct yaml_node *root, struct playbook *p)
{
    const struct yaml_node *list = reading_list(r, root, "playbook", "exit", 32, true);
    struct buf place = {0};

    if (list == NULL) {
        return;
    }
    p->exits = gw_calloc(yaml_count(list), sizeof *p->exits);
    for (size_t i = 0; i < yaml_count(list); i++) {
        struct playbook_exit *e = &p->exits[p->exit_count++];

        reading_place(&place, "exit", yaml_item(list, i), i);
        read_exit(r, yaml_item(list, i), place.data, e);
        e->slot = r->all->slots++;
        for (size_t k = 0; k < i && e->id != NULL; k++) {
            if (p->exits[k].id != NULL && strcmp(p->exits[k].id, e->id) == 0) {
                reading_bad(r, yaml_item(list, i), place.data,
                            "another condition has this id: choose a different one");
            }
        }
    }
    buf_fini(&place);
}

/* --- contacts ---------------------------------------------------------------------------------- */

static void read_contact(struct reading *r, const struct yaml_node *map, const char *where,
                         struct playbook_contact *c)
{
    static const char *const keys[] = {"role", "name", "how", NULL};

    if (reading_keys(r, map, where, keys)) {
        c->role =
            reading_text(r, map, where, "role", (struct field_rule){1, PLAYBOOK_ID_MAX, false});
        c->name = reading_text(r, map, where, "name", (struct field_rule){1, 100, false});
        c->how = reading_text(r, map, where, "how", (struct field_rule){1, 200, false});
    }
}

static const struct playbook_contact *find_contact(const struct playbooks *all, const char *role)
{
    for (size_t i = 0; i < all->contact_count; i++) {
        if (all->contacts[i].role != NULL && strcmp(all->contacts[i].role, role) == 0) {
            return &all->contacts[i];
        }
    }
    return NULL;
}

static void read_contacts_file(struct reading *r, const struct yaml_node *root)
{
    static const char *const keys[] = {"contacts", NULL};
    const struct yaml_node *list;
    struct buf place = {0};

    if (root == NULL || !reading_keys(r, root, "file", keys)) {
        return;
    }
    list = reading_list(r, root, "file", "contacts", 100, true);
    if (list == NULL) {
        return;
    }
    r->all->contacts = gw_calloc(yaml_count(list), sizeof *r->all->contacts);
    for (size_t i = 0; i < yaml_count(list); i++) {
        struct playbook_contact c = {0};

        buf_reset(&place);
        buf_printf(&place, "contacts[%zu]", i);
        read_contact(r, yaml_item(list, i), buf_cstr(&place), &c);
        if (c.role != NULL && find_contact(r->all, c.role) != NULL) {
            reading_bad(r, yaml_item(list, i), place.data, "role: listed twice: keep one");
        }
        r->all->contacts[r->all->contact_count++] = c;
    }
    buf_fini(&place);
}

/* The roles of the playbook, as contacts.yaml knows them. */
static void read_contacts(struct reading *r, const struct yaml_node *root, struct playbook *p)
{
    struct playbook_texts roles;

    reading_texts(r, root, "playbook", "contacts", PLAYBOOK_ID_MAX, &roles);
    if (yaml_get(root, "contacts") == NULL) {
        reading_bad(r, root, "playbook", "contacts: is missing: name at least one role");
    }
    p->contacts = gw_calloc(roles.count + 1, sizeof(struct playbook_contact *));
    for (size_t i = 0; i < roles.count; i++) {
        const struct playbook_contact *c = find_contact(r->all, roles.items[i]);

        if (c == NULL) {
            struct buf what = {0};

            buf_printf(&what, "contacts: no role %s in " CONTACTS " of this folder: add it there",
                       roles.items[i]);
            reading_bad(r, yaml_get(root, "contacts"), "playbook", buf_cstr(&what));
            buf_fini(&what);
        } else {
            p->contacts[p->contact_count++] = c;
        }
    }
    free(roles.items);
}

/* --- one playbook ------------------------------------------------------------------------------ */

static void check_name(struct reading *r, const struct yaml_node *root, const char *file,
                       const char *id)
{
    size_t len = strlen(id);

    if (strncmp(file, id, len) != 0 || strcmp(file + len, ".yaml") != 0) {
        reading_bad(r, yaml_get(root, "id"), "playbook",
                    "id: is not the name of the file: call the file ID.yaml");
    }
}

static void read_dates(struct reading *r, const struct yaml_node *root, struct playbook *p)
{
    int64_t reviewed = 0;
    int64_t next = 0;

    p->reviewed_at = reading_date(r, root, "reviewed_at");
    p->next_review_at = reading_date(r, root, "next_review_at");
    if (p->reviewed_at != NULL && p->next_review_at != NULL) {
        GW_ASSERT(playbook_day(p->reviewed_at, &reviewed));
        GW_ASSERT(playbook_day(p->next_review_at, &next));
        if (next <= reviewed) {
            reading_bad(r, yaml_get(root, "next_review_at"), "playbook",
                        "next_review_at: must be after reviewed_at");
        }
    }
}

static void read_playbook(struct reading *r, const struct yaml_node *root, const char *file,
                          struct playbook *p)
{
    static const char *const keys[] = {
        "id",      "title",    "version", "owner", "reviewed_at", "next_review_at", "severity",
        "signals", "symptoms", "steps",   "exit",  "contacts",    "notice",         NULL};
    const char *severity;

    if (root == NULL || !reading_keys(r, root, "playbook", keys)) {
        if (root == NULL) {
            reading_bad(r, NULL, "playbook", "the file is empty: see docs/PLAYBOOKS.md");
        }
        return;
    }
    p->id = reading_id(r, root, "playbook");
    if (p->id != NULL) {
        check_name(r, root, file, p->id);
    }
    p->title = reading_text(r, root, "playbook", "title", (struct field_rule){1, 120, false});
    p->version = reading_number(r, root, "playbook", "version", 1000000, false);
    p->owner = reading_text(r, root, "playbook", "owner", (struct field_rule){1, 100, false});
    read_dates(r, root, p);
    severity = reading_text(r, root, "playbook", "severity", (struct field_rule){4, 4, false});
    if (severity != NULL && !severity_parse(severity, strlen(severity), &p->severity)) {
        reading_bad(r, yaml_get(root, "severity"), "playbook",
                    "severity: expected SEV1, SEV2, SEV3 or SEV4");
    }
    (void)reading_list(r, root, "playbook", "signals", 64, true);
    reading_texts(r, root, "playbook", "signals", 300, &p->signals);
    reading_texts(r, root, "playbook", "symptoms", 300, &p->symptoms);
    reading_steps(r, root, p);
    read_exits(r, root, p);
    read_contacts(r, root, p);
    p->notice = reading_text(r, root, "playbook", "notice", (struct field_rule){1, 1000, true});
}

/* --- the folder -------------------------------------------------------------------------------- */

static const struct yaml_node *open_file(struct reading *r)
{
    struct playbooks *all = r->all;
    struct yaml_doc *doc;
    const struct yaml_node *root;

    if (yaml_open(r->path, &doc, &root, r->errors) != GW_OK) {
        return NULL;
    }
    all->docs[all->doc_count++] = doc;
    if (root == NULL) {
        reading_bad(r, NULL, "file", "it is empty: see docs/PLAYBOOKS.md");
    }
    return root;
}

static int is_yaml(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

/* contacts.yaml is read first: the others name its roles. */
static void read_files(struct playbooks *all, const char *dir, struct dirent **names, int count,
                       const struct playbook_rules *rules, struct buf *errors)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            const char *name = names[i]->d_name;
            struct buf path = {0};
            struct reading r = {NULL, errors, rules, all};
            const struct yaml_node *root = NULL;

            buf_printf(&path, "%s/%s", dir, name);
            r.path = buf_cstr(&path);
            if ((strcmp(name, CONTACTS) == 0) == (pass == 0)) {
                root = open_file(&r);
            }
            if (root != NULL && pass == 0) {
                read_contacts_file(&r, root);
            } else if (root != NULL) {
                read_playbook(&r, root, name, &all->rows[all->count++]);
            }
            buf_fini(&path);
        }
    }
}

static void read_folder(struct playbooks *all, const char *dir, const struct playbook_rules *rules,
                        struct buf *errors)
{
    struct dirent **names = NULL;
    int count = scandir(dir, &names, is_yaml, alphasort);

    if (count < 0) {
        buf_printf(errors, "%s:0: playbooks.dir: cannot be read: %s; name a folder of playbooks\n",
                   dir, strerror(errno));
        return;
    }
    if (count > (int)PLAYBOOKS_MAX) {
        buf_printf(errors, "%s:0: playbooks.dir: more than %u files\n", dir, PLAYBOOKS_MAX);
    } else {
        all->rows = gw_calloc((size_t)count + 1, sizeof *all->rows);
        all->docs = gw_calloc((size_t)count + 1, sizeof(struct yaml_doc *));
        read_files(all, dir, names, count, rules, errors);
    }
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct playbook *)a)->id, ((const struct playbook *)b)->id);
}

enum gw_err playbooks_read(const char *dir, const struct playbook_rules *rules,
                           struct playbooks **out, struct buf *errors)
{
    struct playbooks *all = gw_calloc(1, sizeof *all);
    size_t before = errors->len;

    *out = NULL;
    if (dir[0] != '\0') {
        read_folder(all, dir, rules, errors);
    }
    if (errors->len != before) {
        playbooks_destroy(&all);
        return GW_ECONFIG;
    }
    if (all->count != 0) {
        qsort(all->rows, all->count, sizeof *all->rows, by_id);
    }
    *out = all;
    return GW_OK;
}
