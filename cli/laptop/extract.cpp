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
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/hf_checkpoint.hpp"
#include "runtime/vindex/directory.hpp"

namespace larql::cli {

namespace {

struct options {
  std::filesystem::path source;
  std::filesystem::path destination;
  std::string quant; ///< empty: what suits the source
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
// model's publisher and stay.
vindex::quant_kind choose_quant(const options& o) {
  auto error = std::error_code{};
  const auto q4k =
      o.quant.empty() ? std::filesystem::is_directory(o.source, error) : o.quant == "q4k";
  return q4k ? vindex::quant_kind::q4k : vindex::quant_kind::lossless;
}

void say_skipped(const std::vector<std::string>& names) {
  if (!names.empty())
    say("{} that a text model does not need left out ({}{})",
        names.size() == 1 ? "1 tensor" : fmt::format("{} tensors", names.size()), names[0],
        names.size() > 1 ? ", …" : "");
}

result<void> run(const options& o, const std::stop_token& stop) {
  LARQL_TRY_VOID(require_directory(o.source.string(), "download the checkpoint first"));
  LARQL_TRY_VOID(require_checkpoint(o.source));
  LARQL_TRY_VOID(check_destination(o.destination, vindex::vindex_output(o.force, {o.source})));
  LARQL_TRY(const auto source, open_source(o.source));
  say_skipped(source.skipped);
  for (const auto& note : source.notes)
    say("{}: {}", o.source.string(), note);
  auto pool = compute_pool{choose_threads(o.threads)};
  auto e = import::extract_options{};
  e.quant = choose_quant(o);
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
  return import::extract(source, o.destination, pool, e);
}

} // namespace

void add_extract(command_parser& app, action& chosen) {
  auto command = app.add_command("extract", "Make a vindex of a GGUF file or a checkpoint");
  auto o = std::make_shared<options>();
  command
      .add_option("source", o->source,
                  "GGUF file (or one part of a split one), or directory with config.json and "
                  "safetensors")
      .required();
  command.add_option("-o,--output", o->destination, "Directory to write").required();
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
      "larql extract ~/checkpoints/gemma-4-26B-A4B-it -o gemma4.vindex --quant q4k\n\n"
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
