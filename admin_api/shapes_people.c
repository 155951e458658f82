/* admin_api/shapes_people.c - what the routes of people and sessions take and give, and their problems. */
#include "admin_api/api_priv.h"
#include "admin_api/shapes.h"

#define OR_PERMISSION(sym, bit, word, ...) "|'" word "'"

/* clang-format off */
static const struct shape_member members[] = {
    {"Permission", "=", PERMISSIONS(OR_PERMISSION), "docs/reference/ROLES.md says who has it"},
    {"Role", "=", ROLES(OR_PERMISSION), ""},
    {"Session", "session", "string", "its name; the token is in the cookie alone"},
    {"Session", "user", "string", ""},
    {"Session", "label", "string", ""},
    {"Session", "roles", "Role[]", ""},
    {"Session", "permissions", "Permission[]", ""},
    {"Session", "must_choose_password", "boolean", ""},
    {"Session", "must_enrol", "boolean", "a second factor"},
    {"Session", "created_at", "time", ""},
    {"Session", "factor_at", "time|null", "when the second factor was proved"},
    {"Session", "factor_fresh_until", "time|null", ""},
    {"Session", "elevated_until", "time|null", ""},
    {"Session", "idle_at", "time", "it ends then when nothing is asked"},
    {"Session", "ends_at", "time", ""},
    {"Session", "csrf", "string", "to be sent as X-CSRF-Token with each change"},
    {"Session", "failed_before?", "integer", "after a log-in: tries that failed before"},
    {"Session", "recovery_codes?", "string[]", "of a new second factor: shown once"},
    {"KeyHolder", "key", "string", ""},
    {"KeyHolder", "person", "string", ""},
    {"KeyHolder", "permissions", "Permission[]", ""},
    {"Ended", "ended", "boolean", ""},
    {"Enrolment", "secret", "string", "in base32"},
    {"Enrolment", "uri", "string", "otpauth: for an authenticator"},
    {"+LogIn", "name", "string", ""},
    {"+LogIn", "password", "string", ""},
    {"+LogIn", "code?", "string", "of the second factor, or a recovery code; none before one is enrolled"},
    {"+FactorCode", "code", "string", ""},
    {"+NewPassword", "old", "string", ""},
    {"+NewPassword", "password", "string(12..128)", ""},
    {"+Nothing", "=", "object", "{}"},
    {"+Elevate", "role", "Role", ""},
    {"+Elevate", "seconds", "integer(900..3600)", ""},
    {"+Elevate", "reason", "string(10..500)", ""},
    {"+Elevate", "ticket?", "string(1..100)", ""},

    {"UserRole", "role", "Role", ""},
    {"UserRole", "kind", "'standing'|'eligible'|'temporary'", ""},
    {"UserRole", "until", "time|null", ""},
    {"UserRole", "granted_at", "time", ""},
    {"UserRole", "granted_by", "string", ""},
    {"UserRole", "approved_by", "string|null", ""},
    {"UserRole", "reason", "string|null", ""},
    {"UserRole", "ticket", "string|null", ""},
    {"User", "name", "string", ""},
    {"User", "label", "string", ""},
    {"User", "state", "string", ""},
    {"User", "created_at", "time", ""},
    {"User", "created_by", "string", ""},
    {"User", "second_factor", "boolean", ""},
    {"User", "password_temporary", "boolean", ""},
    {"User", "failures", "integer", ""},
    {"User", "locked_until", "time|null", ""},
    {"User", "last_login_at", "time|null", ""},
    {"User", "roles", "UserRole[]", ""},
    {"UserList", "users", "User[]", ""},
    {"UserChange", "done", "boolean", "false: another person has to say the same"},
    {"UserChange", "user?", "string", ""},
    {"UserChange", "password?", "string", "temporary; shown once"},
    {"UserChange", "password_good_s?", "integer", ""},
    {"UserChange", "waits_for?", "string", ""},
    {"UserChange", "within_s?", "integer", ""},
    {"+UserCreate", "name", "string", ""},
    {"+UserCreate", "label", "string", ""},
    {"+UserCreate", "reason", "string(10..500)", ""},
    {"+UserCreate", "ticket?", "string(1..100)", ""},
    {"+UserReset", "second_factor?", "boolean", "true takes it, too"},
    {"+UserReset", "reason", "string(10..500)", ""},
    {"+UserReset", "ticket?", "string(1..100)", ""},
    {"+RoleGrant", "role", "Role", ""},
    {"+RoleGrant", "kind?", "'standing'|'eligible'", "eligible: she may take it up for a while"},
    {"+RoleGrant", "until?", "time", ""},
    {"+RoleGrant", "reason", "string(10..500)", ""},
    {"+RoleGrant", "ticket?", "string(1..100)", ""},
    {"+PeopleWhy", "reason", "string(10..500)", ""},
    {"+PeopleWhy", "ticket?", "string(1..100)", ""},
    {"LiveSession", "session", "string", ""},
    {"LiveSession", "user", "string", ""},
    {"LiveSession", "created_at", "time", ""},
    {"LiveSession", "last_seen_at", "time", ""},
    {"LiveSession", "factor_at", "time|null", ""},
    {"LiveSession", "ends_at", "time", ""},
    {"LiveSession", "ip", "string", ""},
    {"LiveSession", "user_agent", "string", ""},
    {"SessionList", "sessions", "LiveSession[]", ""},
    {"ReviewUser", "name", "string", ""},
    {"ReviewUser", "label", "string", ""},
    {"ReviewUser", "state", "string", ""},
    {"ReviewUser", "second_factor", "boolean", ""},
    {"ReviewUser", "roles", "UserRole[]", ""},
    {"ReviewKey", "key", "string", ""},
    {"ReviewKey", "account", "string", ""},
    {"ReviewKey", "owner", "string|null", ""},
    {"ReviewKey", "label", "string", ""},
    {"ReviewKey", "scopes", "Scope[]", ""},
    {"ReviewKey", "not_after", "time|null", ""},
    {"ReviewContent", "users", "ReviewUser[]", ""},
    {"ReviewContent", "keys", "ReviewKey[]", ""},
    {"UserUse", "name", "string", ""},
    {"UserUse", "last_login_at", "time|null", ""},
    {"UserUse", "last_seen_at", "time|null", ""},
    {"KeyLastUse", "key", "string", ""},
    {"KeyLastUse", "last_used_at", "time|null", ""},
    {"ReviewUse", "users", "UserUse[]", ""},
    {"ReviewUse", "keys", "KeyLastUse[]", ""},
    {"ReviewSigned", "at", "time", ""},
    {"ReviewSigned", "signed_by", "string", ""},
    {"ReviewSigned", "note", "string", ""},
    {"ReviewSigned", "hash", "string", ""},
    {"AccessReview", "at", "time", ""},
    {"AccessReview", "hash", "string", "of `content`: sign says it"},
    {"AccessReview", "content", "ReviewContent", "who may do what: this is signed"},
    {"AccessReview", "use", "ReviewUse", "beside it: when each was used last"},
    {"AccessReview", "last_review", "ReviewSigned|null", "null: never signed off"},
    {"+ReviewSign", "hash", "string", ""},
    {"+ReviewSign", "note", "string", ""},
    {"+ReviewSign", "reason?", "string(10..500)", ""},
    {"+ReviewSign", "ticket?", "string(1..100)", ""},
};

/*   method       path                            query  headers  body  answers */
static const struct shape_route shapes[] = {
    {HTTP_GET,    "/v1/users",                    "", "", "", "200 UserList"},
    {HTTP_POST,   "/v1/users",                    "", "", "UserCreate", "201 UserChange"},
    {HTTP_POST,   "/v1/users/{name}/enable",      "", "", "PeopleWhy", "200 UserChange"},
    {HTTP_POST,   "/v1/users/{name}/disable",     "", "", "PeopleWhy", "200 UserChange"},
    {HTTP_POST,   "/v1/users/{name}/reset",       "", "", "UserReset", "200 UserChange"},
    {HTTP_POST,   "/v1/users/{name}/roles",       "", "", "RoleGrant", "200 UserChange; 202 UserChange"},
    {HTTP_DELETE, "/v1/users/{name}/roles/{role}", "", "", "PeopleWhy", "200 UserChange"},
    {HTTP_DELETE, "/v1/users/{name}/sessions",    "", "", "PeopleWhy", "200 UserChange"},
    {HTTP_GET,    "/v1/sessions",                 "user=string", "", "", "200 SessionList"},
    {HTTP_DELETE, "/v1/sessions/{id}",            "", "", "PeopleWhy", "200 UserChange"},
    {HTTP_GET,    "/v1/access/review",            "", "", "", "200 AccessReview"},
    {HTTP_POST,   "/v1/access/review/sign",       "", "", "ReviewSign", "200 UserChange"},
    {HTTP_POST,   "/v1/session",                  "", "origin=string!", "LogIn", "200 Session"},
    {HTTP_GET,    "/v1/session",                  "", "", "", "200 Session|KeyHolder"},
    {HTTP_DELETE, "/v1/session",                  "", "", "", "200 Ended"},
    {HTTP_POST,   "/v1/session/factor",           "", "", "FactorCode", "200 Session"},
    {HTTP_POST,   "/v1/session/password",         "", "", "NewPassword", "200 Session"},
    {HTTP_POST,   "/v1/session/enrol",            "", "", "Nothing", "200 Enrolment"},
    {HTTP_POST,   "/v1/session/enrol/confirm",    "", "", "FactorCode", "200 Session"},
    {HTTP_POST,   "/v1/session/elevate",          "", "", "Elevate", "200 Session"},
};
/* clang-format on */

void shape_people_schemas(struct buf *out, const char **comma)
{
    shape_schemas(out, members, GW_LEN(members), comma);
}

const struct shape_route *shape_people(enum http_method method, const char *path)
{
    return shape_find(shapes, GW_LEN(shapes), method, path);
}

struct shape_problem api_people_problem(unsigned i)
{
    enum people_err err = (enum people_err)(i + 1); /* behind PEOPLE_OK */
    const struct people_err_row *row = people_err_row(err);
    const char *next = people_problem_next(err);

    return (struct shape_problem){people_problem_code(err), row->http_status, row->text,
                                  next != NULL ? next : "the title says it"};
}
