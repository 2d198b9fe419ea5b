#include "cli/node/model_source.hpp"

#include "cli/support/hub_model.hpp"

namespace larql::cli {

hub::pull_request node_needs(const node_settings& s) {
  auto out = hub::pull_request{};
  // A node that holds sessions computes with the laptop's part as well.
  out.preset = s.allow_sessions.value_or(0) != 0 ? "all" : "moe-experts";
  out.experts = s.experts;
  out.layers = s.layers;
  out.heads = s.available_ram && !s.experts; // the coordinator says later which experts
  return out;
}

bool is_fetched(const node_settings& s) {
  return hub::is_hub_path(s.vindex) || !s.hub_repo.empty();
}

result<std::filesystem::path> resolve_model(const node_settings& s, const hub::pull_request& needs,
                                            const std::stop_token& stop) {
  if (s.hub_repo.empty() || hub::is_hub_path(s.vindex)) {
    auto ignored = std::error_code{};
    if (s.vindex == default_vindex && !std::filesystem::exists(s.vindex, ignored))
      return std::filesystem::path{s.vindex}; // nobody has named a model
    return resolve_model(s.vindex, needs, stop);
  }
  LARQL_TRY(const auto address, hub::parse_model_address(std::string{hub::scheme} + s.hub_repo));
  return open_hub_model(address, s.vindex, needs, stop);
}

} // namespace larql::cli
