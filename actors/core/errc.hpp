// Errors between actors: a code that says who has to act, which is the one of the wire, and a text
// for people.

#pragma once

#include "schema/messages.hpp"

#include <caf/error.hpp>

#include <optional>
#include <string>

namespace larql::actors {

using schema::failure_code;

/// A CAF error that carries a text for people.
caf::error make_error(failure_code code, std::string text);

/// The text of any CAF error: ours as it was made, CAF's own by name.
std::string text_of(const caf::error& err);

/// The code of an error made here; none for others.
std::optional<failure_code> code_of(const caf::error& err);

} // namespace larql::actors
