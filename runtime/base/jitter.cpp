#include "runtime/base/jitter.hpp"

#include <memory>
#include <random>

namespace larql {

std::function<double()> jitter_source() {
  auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  return [engine] { return std::uniform_real_distribution<double>{0, 1}(*engine); };
}

} // namespace larql
