// Names of answers: random, so that nobody can guess another's.
//
// Threads   Any.

#pragma once

#include "cli/serve/api/answer_writer.hpp"

namespace larql::serve {

/// 24 letters and digits.
[[nodiscard]] std::string random_id();

/// A new one, made now.
[[nodiscard]] answer_identity new_identity(std::string model);

} // namespace larql::serve
