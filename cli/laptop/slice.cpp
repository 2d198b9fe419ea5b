// larql slice: a part of a vindex, for one kind of machine.

#include "runtime/vindex/package/slice.hpp"
#include "cli/laptop/answer_step.hpp"
#include "cli/laptop/local_runtime.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/progress.hpp"
#include "runtime/base/disk_space.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/experts/ownership.hpp"
#include "runtime/vindex/directory.hpp"

#include <map>

namespace larql::cli {

namespace {

struct options {
  std::filesystem::path source;
  std::filesystem::path destination;
  std::string preset;
  std::string parts;
  std::string experts;
  std::string layers;
  unsigned threads = 0;
  bool dry_run = false;
  bool force = false;
};

result<std::optional<vindex::first_last>> range_of(const std::string& text, const char* option) {
  if (text.empty())
    return std::optional<vindex::first_last>{};
  LARQL_TRY(const auto range, experts::parse_range(text, option));
  return std::optional{vindex::first_last{range.first, range.last}};
}

result<vindex::slice_request> request_of(const options& o) {
  auto out = vindex::slice_request{};
  if (o.preset.empty() == o.parts.empty())
    return fail(errc::usage, "give either --preset or --parts");
  if (!o.preset.empty()) {
    LARQL_TRY(const auto* preset, vindex::find_preset(o.preset));
    out.preset = preset->name;
    out.parts = preset->parts;
  } else {
    LARQL_TRY(out.parts, vindex::parse_parts(o.parts, "--parts"));
  }
  LARQL_TRY(out.experts, range_of(o.experts, "--experts"));
  LARQL_TRY(out.layers, range_of(o.layers, "--layers"));
  return out;
}

result<void> print_plan(const vindex::slice_plan& plan, const std::filesystem::path& destination) {
  struct sum {
    std::uint64_t held = 0, size = 0;
    std::vector<std::string> names;
  };
  auto sums = std::map<vindex::part, sum>{};
  sums[vindex::part::index] = {plan.index.size(), plan.index.size(), {"index.json"}};
  for (const auto& f : plan.files) {
    auto& s = sums[f.which];
    s.held += f.held_bytes;
    s.size += f.size_bytes;
    s.names.push_back(f.name);
  }
  for (const auto& [which, s] : sums) {
    auto names = s.names[0];
    if (s.names.size() > 4)
      names += fmt::format(" … {} ({} files)", s.names.back(), s.names.size());
    else
      for (auto i = std::size_t{1}; i < s.names.size(); ++i)
        names += ", " + s.names[i];
    print("{:<14} {:>9}  {}{}\n", to_string(which), format_bytes(s.held), names,
          s.held == s.size ? "" : fmt::format("; holes of {}", format_bytes(s.size - s.held)));
  }
  for (const auto p : plan.here.parts)
    if (!sums.contains(p))
      print("{:<14} {:>9}\n", to_string(p), "absent");
  LARQL_TRY(const auto room, free_space_bytes(destination));
  print("{:<14} {:>9}  {}; {} free at {}\n", "total", format_bytes(plan.held_bytes()),
        plan.here.summary(), format_bytes(room), destination.string());
  for (const auto& name : plan.of_no_part)
    print("left behind, as no part has it: {}\n", name);
  return {};
}

// The command that gets the same from the Hub.
std::string pull_command(const options& o) {
  auto out = fmt::format("larql pull {} -o {}", o.source.string(), o.destination.string());
  for (const auto& [name, value] :
       {std::pair{"--preset", &o.preset}, std::pair{"--parts", &o.parts},
        std::pair{"--experts", &o.experts}, std::pair{"--layers", &o.layers}})
    if (!value->empty())
      out += fmt::format(" {} {}", name, *value);
  return out;
}

result<void> run(const options& o, const std::stop_token& stop) {
  LARQL_TRY_VOID(require_directory(
      o.source.string(), fmt::format("`{}` fetches no more than the slice", pull_command(o))));
  LARQL_TRY_VOID(require_vindex(o.source));
  LARQL_TRY_VOID(require_own_files(o.source));
  LARQL_TRY(const auto request, request_of(o));
  if (!o.dry_run)
    LARQL_TRY_VOID(check_destination(o.destination, vindex::vindex_output(o.force, {o.source})));
  LARQL_TRY(const auto plan, vindex::plan_slice(o.source, request));
  if (o.dry_run)
    return print_plan(plan, o.destination);
  auto pool = compute_pool{choose_threads(o.threads)};
  auto line = progress_line{"slice"};
  auto s = vindex::slice_options{};
  s.force = o.force;
  s.on_progress = [&](const vindex::slice_progress& p) {
    line.update(p.done_bytes, p.total_bytes, p.file);
    return !stop.stop_requested();
  };
  LARQL_TRY(const auto* k, choose_kernels());
  s.last_step = answer_step({*k, pool}, stop);
  LARQL_TRY_VOID(vindex::slice(plan, o.destination, pool, s));
  return {};
}

std::string footer() {
  auto out = std::string{"larql slice gemma4.vindex -o laptop.vindex --preset moe-client\n"
                         "larql slice gemma4.vindex -o node.vindex --preset moe-experts "
                         "--experts 0-63\n\nPresets:\n"};
  for (const auto& p : vindex::presets()) {
    auto name = std::string{p.name};
    for (const auto a : p.aliases)
      name += fmt::format(", {}", a);
    out += fmt::format("  {:<38} {}\n  {:<38} {}\n", name, p.purpose, "", to_string(p.parts));
  }
  return out + "\nindex.json is in every slice. Layer files keep their offsets; experts that are "
               "left out become\nholes, which take no space. A stopped slice goes on where it was "
               "with the same command.\n";
}

} // namespace

void add_slice(command_parser& app, action& chosen) {
  auto command = app.add_command("slice", "Copy the part of a vindex that one machine needs");
  auto o = std::make_shared<options>();
  command.add_option("source", o->source, "Vindex to cut from").required();
  command.add_option("-o,--output", o->destination, "Directory to write").required();
  command.add_option("--preset", o->preset, "Which parts, by the purpose of the slice")
      .suggest(vindex::preset_names());
  command.add_option("--parts", o->parts, "Which parts, by name with commas between");
  command.add_option("--experts", o->experts, "Only these experts of each layer, like 0-63");
  command.add_option("--layers", o->layers,
                     "Only these layers' expert files, like 0-14; other parts stay whole");
  command.add_option("-t,--threads", o->threads, "Threads (default: one per core)");
  command.add_flag("--dry-run", o->dry_run, "Print what would be copied, and stop");
  command.add_flag("--force", o->force,
                   "Replace a vindex that is there, finished or not, and nothing else");
  command.footer(footer());
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      if (const auto ok = run(*o, signals.token()); !ok)
        return report(ok.error());
      if (!o->dry_run)
        print_text(o->destination.string() + '\n'); // as scripts need it
      return exit_ok;
    };
  });
}

} // namespace larql::cli
