#include "auth/fault.h"

#include "gateway/base/err.h"

#define FAULT_AS_ROW(sym, word, shown, text) {word, shown, text},
static const struct auth_fault_row rows[AUTH_FAULT_COUNT] = {AUTH_FAULTS(FAULT_AS_ROW)};

const struct auth_fault_row *auth_fault_row(enum auth_fault fault)
{
    GW_ASSERT((unsigned)fault < AUTH_FAULT_COUNT);
    return &rows[fault];
}

enum auth_fault auth_fault_shown(enum auth_fault fault)
{
    return auth_fault_row(fault)->shown ? fault : AUTH_BAD_SIGNATURE;
}
