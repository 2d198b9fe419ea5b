#include "cli/laptop/speculation_flags.hpp"

#include "cli/support/number_check.hpp"
#include "runtime/speculation/suffix_drafter.hpp"

#include <charconv>

namespace larql::cli {

namespace {

constexpr auto most_drafts = generate::draft_tree::max_rows - 1;

std::string check_speculate(const std::string& value) {
  if (value == "auto" || value == "off" || whole_number(1, most_drafts)(value).empty())
    return {};
  return "is \"" + value + "\", expected auto, off, or a number of drafts from 1 to " +
         std::to_string(most_drafts);
}

} // namespace

void add_speculation_options(command_parser& command, speculation_flags& flags) {
  flags.speculate = "auto";
  command
      .add_option("--speculate", flags.speculate,
                  "Tokens to guess and verify in one pass: auto, off, or how many at most")
      .check(check_speculate)
      .show_default()
      .group("Speculation");
  command
      .add_option("--draft", flags.draft,
                  "Who guesses: suffix, from prompt, answer and earlier answers")
      .one_of({"suffix"})
      .show_default()
      .group("Speculation");
}

speculation::options speculation_of(const speculation_flags& flags,
                                    const vindex::model_config& model) {
  auto out = speculation::options{};
  out.shape = {model.experts, model.top_k};
  if (flags.speculate == "off")
    return out;
  out.how = speculation::mode::automatic;
  if (flags.speculate != "auto") {
    out.how = speculation::mode::fixed;
    std::from_chars(flags.speculate.data(), flags.speculate.data() + flags.speculate.size(),
                    out.drafts);
  }
  out.sources.push_back(std::make_shared<speculation::suffix_source>());
  return out;
}

} // namespace larql::cli
