// larql extract: a vindex from a GGUF file.

#include "runtime/import/extract.hpp"
#include "cli/command.hpp"
#include "cli/engine.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "runtime/import/gguf_checkpoint.hpp"

namespace larql::cli {

namespace {

struct options {
  std::filesystem::path source;
  std::filesystem::path destination;
  std::string quant = "lossless";
  unsigned threads = 0;
  bool force = false;
};

result<void> run(const options& o) {
  LARQL_TRY(const auto source, import::open_gguf(o.source));
  auto pool = compute_pool{choose_threads(o.threads)};
  auto e = import::extract_options{};
  e.quant = o.quant == "q4k" ? vindex::quant_kind::q4k : vindex::quant_kind::lossless;
  e.force = o.force;
  auto line = progress_line{"extract"};
  e.on_progress = [&](const import::extract_progress& p) {
    line.update(p.done_bytes, p.total_bytes, p.resumed_bytes, p.file);
    return !interrupted();
  };
  return import::extract(source, o.destination, pool, e);
}

} // namespace

void add_extract(CLI::App& app, action& chosen) {
  auto* command = app.add_subcommand("extract", "Make a vindex from a GGUF file");
  auto o = std::make_shared<options>();
  command->add_option("source", o->source, "GGUF file, or one part of a split one")->required();
  command->add_option("-o,--output", o->destination, "Directory to write")->required();
  command
      ->add_option("--quant", o->quant,
                   "lossless: every tensor keeps its encoding; q4k: the reference's encoding")
      ->check(CLI::IsMember({"lossless", "q4k"}))
      ->capture_default_str();
  command->add_option("-t,--threads", o->threads, "Threads (default: one per core)");
  command->add_flag("--force", o->force, "Replace an existing vindex");
  command->callback([o, &chosen] {
    chosen = [o] {
      install_interrupt_handler();
      if (const auto ok = run(*o); !ok)
        return report(ok.error());
      fmt::print("{}\n", o->destination.string());
      return exit_ok;
    };
  });
}

} // namespace larql::cli
