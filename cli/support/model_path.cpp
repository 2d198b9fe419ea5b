#include "cli/support/model_path.hpp"

#include "cli/support/interrupt.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/hub/url.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::cli {

result<hub::http_settings> hub_settings(std::stop_token stop) {
  auto out = hub::http_settings{};
  LARQL_TRY(out.access, hub::read_access(process_environment));
  out.user_agent = user_agent();
  out.stop = std::move(stop);
  out.on_notice = [](const std::string& text) { log_warning("hub", "{}", text); };
  return out;
}

result<std::filesystem::path> cache_directory(const environment_fn& environment) {
  using std::filesystem::path;
  if (const auto own = environment("LARQL_CACHE"))
    return path{*own};
  if (const auto xdg = environment("XDG_CACHE_HOME"))
    return path{*xdg} / "larql";
  if (const auto home = environment("HOME"))
    return path{*home} / ".cache" / "larql";
  return fail(errc::usage, "no place for downloads: set LARQL_CACHE to a directory");
}

result<std::filesystem::path> cached_model_path(const hub::repo& r,
                                                const environment_fn& environment) {
  LARQL_TRY(const auto cache, cache_directory(environment));
  return cache / "hub" / r.owner /
         fmt::format("{}@{}", r.name, hub::percent_encode(r.revision, false));
}

result<hub::pull_outcome> pull_with_progress(const hub::repo& from,
                                             const hub::pull_request& request,
                                             const std::filesystem::path& to,
                                             hub::pull_options options) {
  auto line = std::optional<progress_line>{};
  auto full = false;
  options.on_progress = [&](const hub::pull_progress& p) {
    if (!line)
      line.emplace("pull");
    if (!std::exchange(full, p.done_bytes >= p.total_bytes)) // the checks at the end are quiet
      line->update(p.done_bytes, p.total_bytes, p.file);
  };
  return hub::pull(from, request, to, options);
}

result<void> fill_directory(const hub::repo& from, const std::filesystem::path& to,
                            const hub::pull_request& needs, const std::stop_token& stop) {
  auto options = hub::pull_options{};
  LARQL_TRY(options.http, hub_settings(stop));
  options.keep_commit = true;
  options.wait_for_others = true;
  LARQL_TRY(const auto done, pull_with_progress(from, needs, to, std::move(options)));
  log_info("hub", "{} at {}: {} here, {} fetched", from.id(), done.commit.substr(0, 12),
           format_bytes(done.wanted_bytes), format_bytes(done.fetched_bytes));
  return {};
}

result<std::filesystem::path> resolve_model(const std::string& model,
                                            const hub::pull_request& needs,
                                            const std::stop_token& stop) {
  if (!hub::is_hub_path(model))
    return std::filesystem::path{model};
  LARQL_TRY(const auto from, hub::parse_hub_path(model));
  LARQL_TRY(const auto to, cached_model_path(from, process_environment));
  LARQL_TRY_VOID(fill_directory(from, to, needs, stop));
  return to;
}

result<std::filesystem::path> resolve_model(const std::string& model,
                                            const hub::pull_request& needs) {
  if (!hub::is_hub_path(model))
    return std::filesystem::path{model};
  const auto signals = interrupt_scope{};
  return resolve_model(model, needs, signals.token());
}

result<std::filesystem::path> cached_model(const std::string& model) {
  if (!hub::is_hub_path(model))
    return std::filesystem::path{model};
  LARQL_TRY(const auto from, hub::parse_hub_path(model));
  LARQL_TRY(auto dir, cached_model_path(from, process_environment));
  LARQL_TRY(const auto exists, path_exists(dir / vindex::index_file));
  if (!exists)
    return fail(errc::not_found,
                "{}: nothing of it is in the cache ({}); `larql pull {}` fetches it", model,
                dir.string(), model);
  return dir;
}

result<void> require_directory(const std::string& model, std::string_view instead) {
  return hub::is_hub_path(model)
             ? fail(errc::usage, "{}: expected a directory of this machine; {}", model, instead)
             : result<void>{};
}

hub::pull_request laptop_needs() {
  auto out = hub::pull_request{};
  out.preset = "moe-client";
  return out;
}

} // namespace larql::cli
