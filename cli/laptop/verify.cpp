// larql verify: is a vindex what it says it is?

#include "runtime/vindex/package/verify.hpp"
#include "cli/laptop/local_runtime.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/progress.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::cli {

namespace {

struct options {
  std::filesystem::path dir;
  unsigned threads = 0;
  bool deep = false;
};

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

result<vindex::verify_report> run(const options& o, const std::stop_token& stop) {
  auto pool = compute_pool{choose_threads(o.threads)};
  auto v = vindex::verify_options{};
  v.deep = o.deep;
  auto line = progress_line{"verify"};
  v.on_progress = [&](std::uint64_t done, std::uint64_t total, std::string_view file) {
    line.update(done, total, 0, file);
    return !stop.stop_requested();
  };
  LARQL_TRY(auto out, vindex::verify(o.dir, pool, v));
  if (const auto ok = check_texts(o.dir); !ok)
    out.wrong.push_back(ok.error().text);
  return out;
}

int print(const options& o, const vindex::verify_report& r) {
  for (const auto& text : r.wrong)
    fmt::print("wrong: {}\n", one_line(text));
  if (o.deep)
    for (const auto& text : r.unchecked)
      fmt::print("not checked: {}\n", one_line(text));
  const auto checked = o.deep ? fmt::format("sizes, structure and {} SHA-256 of {} ({} read)",
                                            r.digests, o.dir.string(), format_bytes(r.hashed_bytes))
                              : fmt::format("sizes and structure of {}", o.dir.string());
  if (!r.wrong.empty()) {
    fmt::print("failed: {} wrong in {} files; checked {}\n", r.wrong.size(), r.files, checked);
    return exit_failure;
  }
  fmt::print("ok: {} files; checked {}{}\n", r.files, checked,
             o.deep ? "" : " (--deep compares every byte)");
  return exit_ok;
}

} // namespace

void add_verify(CLI::App& app, action& chosen) {
  auto* command = app.add_subcommand("verify", "Check a vindex: sizes, structure, every byte");
  auto o = std::make_shared<options>();
  command
      ->add_option("vindex", o->dir,
                   "Directory of the model or of a slice, or hf://OWNER/NAME: what the cache "
                   "holds of it")
      ->required();
  command->add_flag("--deep", o->deep,
                    "Compare the SHA-256 of every file and expert with checksums.json");
  command->add_option("-t,--threads", o->threads, "Threads (default: one per core)");
  command->footer("Prints a line for each thing that is wrong (file, what, found, expected) and "
                  "exits with 1,\nor exits with 0. What a slice does not hold is not looked for.");
  command->callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      auto dir = cached_model(o->dir.string());
      if (!dir)
        return report(dir.error());
      o->dir = *std::move(dir);
      const auto r = run(*o, signals.token());
      return r ? print(*o, *r) : report(r.error());
    };
  });
}

} // namespace larql::cli
