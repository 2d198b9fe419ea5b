// A text written in the user's editor.
//
// Blocking  Until the editor has ended; it has the terminal meanwhile.

#pragma once

#include "runtime/base/result.hpp"

#include <string>

namespace larql::cli {

/// What the user makes of `text` in $VISUAL, else $EDITOR, else the system's `editor`. Without the
/// last line end. An editor that fails is an error with its exit code.
[[nodiscard]] result<std::string> edit_text(const std::string& text);

} // namespace larql::cli
