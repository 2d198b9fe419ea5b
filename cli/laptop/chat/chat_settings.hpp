// The settings of a conversation by their names, which are those of the command line's options.
//
// Threads   Plain functions.

#pragma once

#include "cli/laptop/chat_model.hpp"

#include <string>
#include <string_view>

namespace larql::cli {

/// /set NAME VALUE; an option's "--" may stand in front of the name. errc::usage names what is
/// wrong, and what may have been meant.
[[nodiscard]] result<void> set_option(answer_flags& flags, std::string_view name,
                                      std::string_view value);

/// Each setting in a line, as /set takes it.
[[nodiscard]] std::string settings_text(const answer_flags& flags);

} // namespace larql::cli
