// larql verify: is a vindex what it says it is?

#include "runtime/vindex/package/verify.hpp"
#include "cli/laptop/local_runtime.hpp"
#include "cli/support/command.hpp"
#include "cli/support/compute_choice.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/progress.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/parse_number.hpp"
#include "runtime/experts/answer_table.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/vindex/format.hpp"

#include <random>

namespace larql::cli {

namespace {

struct options {
  std::filesystem::path dir;
  unsigned threads = 0;
  bool deep = false;
  std::string probe; ///< experts a layer whose known answers are compared, or "all"; empty: none
  bool json = false;
};

struct findings {
  vindex::verify_report files;
  std::optional<experts::answers_report> answers;
};

// 0 stands for all.
result<std::uint32_t> probes_per_layer(const std::string& text) {
  if (text == "all")
    return 0u;
  if (const auto n = parse_number<std::uint32_t>(text); n && *n != 0)
    return *n;
  return fail(errc::usage, "--probe is \"{}\", expected a number of experts or all", text);
}

result<experts::answers_report> probe(const options& o, compute_pool& pool,
                                      const std::stop_token& stop) {
  auto request = experts::answers_request{};
  LARQL_TRY(request.per_layer, probes_per_layer(o.probe));
  request.seed = std::random_device{}(); // other experts each time
  auto line = progress_line{"probe"};
  request.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    line.update(done, total, "");
    return !stop.stop_requested();
  };
  LARQL_TRY(const auto* k, choose_kernels());
  return experts::compare_answers({*k, pool}, o.dir, request);
}

// The text files that are there, read as for chatting.
result<void> check_texts(const std::filesystem::path& dir) {
  LARQL_TRY(const auto has_tokenizer, path_exists(dir / vindex::tokenizer_file));
  if (!has_tokenizer)
    return {};
  LARQL_TRY(const auto tokens, text::tokenizer::load(dir / vindex::tokenizer_file));
  LARQL_TRY(const auto defaults,
            text::read_generation_config(dir / vindex::generation_config_file, tokens));
  const auto path = dir / vindex::chat_template_file;
  LARQL_TRY(const auto has_template, path_exists(path));
  if (!has_template)
    return {};
  LARQL_TRY(const auto jinja, read_text_file(path, vindex::max_json_bytes));
  if (const auto format = text::chat_template::detect(jinja, path.string()); !format)
    return format.error();
  return {};
}

result<findings> run(const options& o, const std::stop_token& stop) {
  if (!o.probe.empty())
    LARQL_TRY_VOID(probes_per_layer(o.probe));
  auto pool = compute_pool{choose_threads(o.threads)};
  auto v = vindex::verify_options{};
  v.deep = o.deep;
  auto line = progress_line{"verify"};
  v.on_progress = [&](std::uint64_t done, std::uint64_t total, std::string_view file) {
    line.update(done, total, file);
    return !stop.stop_requested();
  };
  auto out = findings{};
  LARQL_TRY(out.files, vindex::verify(o.dir, pool, v));
  if (const auto ok = check_texts(o.dir); !ok)
    out.files.wrong.push_back(ok.error().text);
  if (!o.probe.empty() && out.files.wrong.empty()) { // what is damaged has no answers
    LARQL_TRY(out.answers, probe(o, pool, stop));
    for (const auto& text : out.answers->wrong)
      out.files.wrong.push_back(fmt::format("{}: {}", o.dir.string(), text));
  }
  return out;
}

std::string text_of(const experts::answers_report& answers) {
  return fmt::format(", known answers of {} experts{}", answers.compared,
                     answers.unknown == 0
                         ? ""
                         : fmt::format(" ({} have none in checksums.json)", answers.unknown));
}

// Field names are stable.
std::string json_of(const options& o, const findings& found) {
  const auto& r = found.files;
  auto out = json{{"ok", r.wrong.empty()},
                  {"deep", o.deep},
                  {"files", r.files},
                  {"digests", r.digests},
                  {"hashed_bytes", r.hashed_bytes},
                  {"wrong", r.wrong},
                  {"not_checked", r.unchecked}};
  if (found.answers)
    out["known_answers"] = {{"compared", found.answers->compared},
                            {"unknown", found.answers->unknown}};
  // In ASCII: a name in it may hold what a terminal must not get.
  return out.dump(2, ' ', true, json::error_handler_t::replace) + "\n";
}

int print_outcome(const options& o, const findings& found) {
  const auto& r = found.files;
  if (o.json) {
    print_text(json_of(o, found));
    return r.wrong.empty() ? exit_ok : exit_failure;
  }
  for (const auto& text : r.wrong)
    print("wrong: {}\n", text);
  if (o.deep)
    for (const auto& text : r.unchecked)
      print("not checked: {}\n", text);
  const auto answers = found.answers ? text_of(*found.answers) : "";
  const auto checked = o.deep ? fmt::format("sizes, structure and {} SHA-256 of {} ({} read)",
                                            r.digests, o.dir.string(), format_bytes(r.hashed_bytes))
                              : fmt::format("sizes and structure of {}", o.dir.string());
  if (!r.wrong.empty()) {
    print("failed: {} wrong in {} files; checked {}\n", r.wrong.size(), r.files, checked + answers);
    return exit_failure;
  }
  print("ok: {} files; checked {}{}{}\n", r.files, checked, answers,
        o.deep ? "" : " (--deep compares every byte)");
  return exit_ok;
}

} // namespace

void add_verify(command_parser& app, action& chosen) {
  auto command = app.add_command("verify", "Check a vindex: sizes, structure, every byte");
  auto o = std::make_shared<options>();
  command
      .add_option("vindex", o->dir,
                  "Directory of the model or of a slice, or hf://OWNER/NAME: what the cache "
                  "holds of it")
      .required();
  command.add_flag("--deep", o->deep,
                   "Compare the SHA-256 of every file and expert with checksums.json");
  command.add_flag("--probe{32}", o->probe,
                   "Compute the known answers of 32 experts a layer (--probe=N; --probe=all) and "
                   "compare them with checksums.json");
  command.add_flag("--json", o->json, "For programs");
  command.add_option("-t,--threads", o->threads, "Threads (default: one per core)");
  command.footer("larql verify gemma4.vindex\n"
                 "larql verify gemma4.vindex --deep\n\n"
                 "Prints a line for each thing that is wrong (file, what, found, expected) and "
                 "exits with 1,\nor exits with 0. What a slice does not hold is not looked for.");
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      auto dir = cached_model(o->dir.string());
      if (!dir)
        return report(dir.error());
      o->dir = *std::move(dir);
      if (const auto is = require_vindex(o->dir); !is && is.error().code == errc::usage)
        return report(is.error());
      if (const auto own = require_own_files(o->dir); !own && own.error().code == errc::usage)
        return report(own.error());
      const auto r = run(*o, signals.token());
      return r ? print_outcome(*o, *r) : report(r.error());
    };
  });
}

} // namespace larql::cli
