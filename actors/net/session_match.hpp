// Whether two peers would compute the same session: the same tokens from the same prompt and
// options.
//
// Threads   Pure functions.

#pragma once

#include "schema/messages.hpp"

#include <string>
#include <string_view>

namespace larql::actors {

/// What differs, for messages: a part of the model, its text side, the format of keys and values,
/// or the version. Empty if nothing does. The texts say where each side is: they are read on
/// either.
[[nodiscard]] std::string session_difference(const schema::session_open& a,
                                             std::string_view where_a,
                                             const schema::session_open& b,
                                             std::string_view where_b);

} // namespace larql::actors
