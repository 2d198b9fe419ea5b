#include "cli/node_model.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::cli {

result<std::filesystem::path> find_model(const node_settings& s, const std::function<bool()>&) {
  const auto dir = std::filesystem::path{s.vindex};
  LARQL_TRY(const auto there, path_exists(dir / vindex::index_file));
  if (there)
    return dir;
  if (!s.hub_repo.empty())
    return fail(errc::usage, "{}: holds no vindex. Fill it first: larql pull hf://{} -o {}",
                s.vindex, s.hub_repo, s.vindex);
  if (s.vindex == default_vindex)
    return fail(errc::usage, "no model: give a vindex, or set VINDEX_PATH ({} holds none)",
                s.vindex);
  return dir; // whose reader says what is wrong with it
}

} // namespace larql::cli
