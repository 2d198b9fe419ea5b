#include "cli/laptop/speculation_flags.hpp"

#include "cli/support/model_path.hpp"
#include "cli/support/number_check.hpp"
#include "cli/support/output.hpp"
#include "runtime/base/file_hash.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/speculation/model_drafter.hpp"
#include "runtime/speculation/mtp_drafter.hpp"
#include "runtime/speculation/suffix_drafter.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
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
      .group("Computing");
  command
      .add_option("--draft", flags.draft,
                  "Who guesses: suffix (from prompt, answer and earlier answers), mtp (the drafter "
                  "in the model's vindex), a small model of the same vocabulary, several of these "
                  "with commas between; auto: suffix, and mtp where there is one")
      .delimiter(',')
      .suggest({"auto", "suffix", "mtp"})
      .show_default()
      .group("Computing");
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
  return out;
}

namespace {

// Ids have to mean the same.
result<void> check_tokenizer(const std::filesystem::path& draft,
                             const std::filesystem::path& model) {
  const auto hash_of = [](const std::filesystem::path& dir) -> result<sha256_digest> {
    LARQL_TRY(const auto in, file::open(dir / vindex::tokenizer_file));
    return hash_file(in);
  };
  LARQL_TRY(const auto theirs, hash_of(draft));
  LARQL_TRY(const auto ours, hash_of(model));
  if (theirs != ours)
    return fail(errc::usage, "--draft {}: its tokenizer is not that of {}", draft.string(),
                model.string());
  return {};
}

using source_ptr = std::shared_ptr<speculation::drafter_source>;

result<source_ptr> open_mtp(const drafting_place& where) {
  LARQL_TRY(auto source, speculation::mtp_source::open(where.model, where.compute, {}));
  return source_ptr{std::move(source)};
}

result<source_ptr> open_model(const std::string& name, const drafting_place& where) {
  auto needs = hub::pull_request{};
  needs.to_run = true;
  LARQL_TRY(const auto dir, resolve_model(name, needs));
  LARQL_TRY_VOID(check_tokenizer(dir, where.model.dir));
  auto o = speculation::model_source::options{};
  o.vocab = where.model.config.vocab;
  o.max_context = where.context;
  o.kv = where.kv;
  LARQL_TRY(auto source, speculation::model_source::open(dir, where.compute, o));
  return source_ptr{std::move(source)};
}

// Nobody has asked for the vindex's drafter by name: a damaged one is no reason not to answer.
void add_found(std::vector<source_ptr>& to, const drafting_place& where) {
  to.push_back(std::make_shared<speculation::suffix_source>());
  const auto exists = path_exists(where.model.dir / vindex::drafter_file);
  if (!exists || !*exists)
    return;
  if (auto mtp = open_mtp(where))
    to.push_back(*std::move(mtp));
  else
    say("answers go without the model's drafter: {}", mtp.error().text);
}

} // namespace

result<std::vector<std::shared_ptr<speculation::drafter_source>>>
drafters_of(const speculation_flags& flags, const drafting_place& where) {
  auto out = std::vector<source_ptr>{};
  for (const auto& name : flags.draft) {
    if (name == "auto") {
      add_found(out, where);
    } else if (name == "suffix") {
      out.push_back(std::make_shared<speculation::suffix_source>());
    } else {
      LARQL_TRY(auto source, name == "mtp" ? open_mtp(where) : open_model(name, where));
      out.push_back(std::move(source));
    }
  }
  // Those that cost nothing are asked first.
  std::stable_partition(out.begin(), out.end(), [](const auto& s) { return !s->takes_time(); });
  return out;
}

} // namespace larql::cli
