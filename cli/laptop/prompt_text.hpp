// Where the prompt of `larql run` comes from: the command line, a file, or standard input. The last
// two have no limit of length, and nobody sees the text among the machine's processes.

#pragma once

#include "cli/support/interrupt.hpp"
#include "runtime/base/result.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace larql::cli {

struct prompt_source {
  std::optional<std::string> argument; ///< "-": standard input
  std::filesystem::path file;          ///< "-": standard input; empty: none was named
  std::string model;                   ///< for messages: what was given as the model
};

/// The prompt. Without an argument and a file, standard input is read unless it is a terminal. The
/// line end at the end of a file does not count.
///
/// Blocking  Until the end of the input, or a signal.
/// Errors    errc::usage if there is none or it is empty, with what to type instead.
[[nodiscard]] result<std::string> read_prompt(const prompt_source& from,
                                              const interrupt_scope& signals);

} // namespace larql::cli
