// api_result<T>: a value, or the error that a client of the API is told. LARQL_TRY works with it.
//
// Threads   Plain values.

#pragma once

#include "cli/serve/api/api_error.hpp"
#include "runtime/base/result.hpp"

namespace larql::serve {

template <class T>
using api_result = result<T, api_error>;

} // namespace larql::serve
