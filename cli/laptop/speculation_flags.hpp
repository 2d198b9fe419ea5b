// --speculate and --draft of the commands that answer.

#pragma once

#include "cli/support/command_parser.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"
#include "runtime/models/gemma4/model.hpp"
#include "runtime/speculation/speculator.hpp"

#include <memory>
#include <string>
#include <vector>

namespace larql::cli {

struct speculation_flags {
  std::string speculate = "off"; ///< auto, off, or a number of drafts
  std::vector<std::string> draft = {"auto"};
};

/// Declares both. The default is auto.
void add_speculation_options(command_parser& command, speculation_flags& flags);

/// What draft models have to fit, and what they use.
struct drafting_place {
  const gemma4::model& model;
  kernels::compute compute;
  gemma4::kv_format kv;
  std::uint32_t context; ///< tokens
};

/// How many drafts there are to be. @pre the flags were checked by the parser, or have their
/// defaults
[[nodiscard]] speculation::options speculation_of(const speculation_flags& flags,
                                                  const vindex::model_config& model);
/// Who makes them. Fails if a drafter that was named cannot be opened, or has another vocabulary.
[[nodiscard]] result<std::vector<std::shared_ptr<speculation::drafter_source>>>
drafters_of(const speculation_flags& flags, const drafting_place& where);

} // namespace larql::cli
