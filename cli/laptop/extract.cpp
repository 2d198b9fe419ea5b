// larql extract: a vindex from a GGUF file or a Hugging Face checkpoint.

#include "runtime/import/extract.hpp"
#include "cli/laptop/answer_step.hpp"
#include "cli/laptop/local_runtime.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/import/add_drafter.hpp"
#include "runtime/import/drafter_checkpoint.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/hf_checkpoint.hpp"
#include "runtime/vindex/directory.hpp"

#include <optional>
#include <vector>

namespace larql::cli {

namespace {

struct options {
  std::filesystem::path source;
  std::filesystem::path destination;
  std::filesystem::path drafter; ///< of the model; empty: none
  std::string quant;             ///< empty: what suits the source
  unsigned threads = 0;
  bool force = false;
};

// A directory is a Hugging Face checkpoint.
result<import::checkpoint> open_source(const std::filesystem::path& path) {
  auto error = std::error_code{};
  return std::filesystem::is_directory(path, error) ? import::open_hf(path)
                                                    : import::open_gguf(path);
}

// Sixteen-bit weights are too large to be read for every token; other encodings were chosen by the
// publisher and stay.
vindex::quant_kind choose_quant(const options& o, const std::filesystem::path& source) {
  auto error = std::error_code{};
  const auto q4k =
      o.quant.empty() ? std::filesystem::is_directory(source, error) : o.quant == "q4k";
  return q4k ? vindex::quant_kind::q4k : vindex::quant_kind::lossless;
}

void say_skipped(const std::vector<std::string>& names) {
  if (!names.empty())
    say("{} that a text model does not need left out ({}{})",
        names.size() == 1 ? "1 tensor" : fmt::format("{} tensors", names.size()), names[0],
        names.size() > 1 ? ", …" : "");
}

import::add_drafter_options drafter_options(const options& o, const std::filesystem::path& drafter,
                                            progress_line& line, const std::stop_token& stop){
    auto out = import::add_drafter_options{};
out.quant = choose_quant(o, drafter);
out.version = version_number();
out.on_progress = [&line, stop](const import::extract_progress& p) {
  line.update(p.done_bytes, p.total_bytes, p.file);
  return !stop.stop_requested();
};
return out;
} // namespace

// A drafter goes into the vindex of its model.
result<void> run_with_drafter(const options& o, const std::stop_token& stop) {
  if (!o.drafter.empty())
    return fail(errc::usage, "{}: is itself a drafter, so --drafter has no meaning",
                o.source.string());
  LARQL_TRY_VOID(require_vindex(o.destination));
  LARQL_TRY(const auto drafter, import::open_drafter(o.source));
  say_skipped(drafter.source.skipped);
  auto pool = compute_pool{choose_threads(o.threads)};
  auto line = progress_line{"extract"};
  return import::add_drafter(drafter, o.destination, pool,
                             drafter_options(o, o.source, line, stop));
}

result<void> run(const options& o, const std::stop_token& stop) {
  LARQL_TRY_VOID(require_directory(o.source.string(), "download the checkpoint first"));
  LARQL_TRY_VOID(require_checkpoint(o.source));
  if (import::is_drafter(o.source))
    return run_with_drafter(o, stop);
  auto sources = std::vector{o.source};
  auto drafter = std::optional<import::drafter_checkpoint>{};
  if (!o.drafter.empty()) {
    sources.push_back(o.drafter);
    LARQL_TRY_VOID(require_checkpoint(o.drafter));
    LARQL_TRY(drafter, import::open_drafter(o.drafter));
  }
  LARQL_TRY_VOID(check_destination(o.destination, vindex::vindex_output(o.force, sources)));
  LARQL_TRY(const auto source, open_source(o.source));
  if (drafter)
    LARQL_TRY_VOID(import::check_drafter_of(*drafter, source.config));
  say_skipped(source.skipped);
  for (const auto& note : source.notes)
    say("{}: {}", o.source.string(), note);
  auto pool = compute_pool{choose_threads(o.threads)};
  auto e = import::extract_options{};
  e.quant = choose_quant(o, o.source);
  e.force = o.force;
  e.source = o.source;
  e.version = version_number();
  auto line = progress_line{"extract"};
  e.on_progress = [&](const import::extract_progress& p) {
    line.update(p.done_bytes, p.total_bytes, p.file);
    return !stop.stop_requested();
  };
  LARQL_TRY(const auto* k, choose_kernels());
  e.last_step = answer_step({*k, pool}, stop);
  if (drafter) {
    e.beside = drafter->source.fingerprint;
    e.last_step = [&, answers = e.last_step](const std::filesystem::path& dir) -> result<void> {
      LARQL_TRY_VOID(
          import::add_drafter(*drafter, dir, pool, drafter_options(o, o.drafter, line, stop)));
      return answers(dir);
    };
  }
  return import::extract(source, o.destination, pool, e);
}

} // namespace larql::cli

void add_extract(command_parser& app, action& chosen) {
  auto command = app.add_command("extract", "Make a vindex of a GGUF file or a checkpoint");
  auto o = std::make_shared<options>();
  command
      .add_option("source", o->source,
                  "GGUF file (or one part of a split one), or directory with config.json and "
                  "safetensors")
      .required();
  command
      .add_option("-o,--output", o->destination,
                  "Directory to write; for a drafter, the vindex of its model")
      .required();
  command.add_option("--drafter", o->drafter,
                     "The model's published drafter (gemma4-assistant), a GGUF file or directory");
  command
      .add_option("--quant", o->quant,
                  "lossless: every tensor keeps its encoding (default for GGUF); q4k: the "
                  "reference's encoding (default for safetensors)")
      .one_of({"lossless", "q4k"});
  command.add_option("-t,--threads", o->threads, "Threads (default: one per core)");
  command.add_flag("--force", o->force,
                   "Replace a vindex that is there, finished or not, and nothing else");
  command.footer(
      "larql extract gemma-4-26B-A4B-it-Q4_K_M.gguf -o gemma4.vindex\n"
      "larql extract ~/checkpoints/gemma-4-26B-A4B-it -o gemma4.vindex --quant q4k\n"
      "larql extract mtp-gemma-4-26B-A4B-it.gguf -o gemma4.vindex    # adds a drafter\n\n"
      "A stopped extract goes on where it was with the same command. checksums.json gets "
      "the SHA-256 of\nevery file and of every expert, and every expert's known answer, for `larql "
      "verify`.");
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      if (const auto ok = run(*o, signals.token()); !ok)
        return report(ok.error());
      print_text(o->destination.string() + '\n'); // as scripts need it
      say("next: larql run {} \"Why is the sky blue?\"", o->destination.string());
      return exit_ok;
    };
  });
}

} // namespace larql::cli
