#include "cli/support/version.hpp"

#include "runtime/kernels/kernel_set.hpp"
#include "schema/messages.hpp"

namespace larql::cli {

std::string version_text() {
  return fmt::format("larql {} (protocol {}, best instruction set here: {})", LARQL_VERSION,
                     schema::protocol_version, name_of(kernels::best_simd_level()));
}

std::string user_agent() {
  return std::string{"larql/"} + LARQL_VERSION;
}

std::string version_number() {
  return LARQL_VERSION;
}

} // namespace larql::cli
