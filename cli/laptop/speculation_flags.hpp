// --speculate and --draft of the commands that answer.

#pragma once

#include "cli/support/command_parser.hpp"
#include "runtime/models/gemma4/model.hpp"
#include "runtime/speculation/speculator.hpp"

#include <string>

namespace larql::cli {

struct speculation_flags {
  std::string speculate = "off"; ///< auto, off, or a number of drafts
  std::string draft = "suffix";
};

/// Declares both. The default is auto.
void add_speculation_options(command_parser& command, speculation_flags& flags);

/// What they say, for a model. @pre they were checked by the parser, or have their defaults
[[nodiscard]] speculation::options speculation_of(const speculation_flags& flags,
                                                  const vindex::model_config& model);

} // namespace larql::cli
