#include "runtime/grammar/place.hpp"

#include <algorithm>

namespace larql::grammar {

place near(const place& from, const network& net, std::uint32_t symbols) {
  // The run that is under way may end without a further symbol.
  const auto margin = symbols + 1;
  auto out = from;
  for (auto& f : out.frames) {
    if (f.count == 0)
      continue;
    const auto& n = net.nodes[f.node];
    // f.count - 1 runs are complete.
    const auto done = f.count - 1;
    auto least = done;
    if (done < n.min)
      least = n.min > margin ? n.min - margin : 0;
    else if (n.max != unbounded)
      least = std::max(n.min, n.max > margin ? n.max - margin : 0);
    f.count = std::max(done, least) + 1;
  }
  return out;
}

} // namespace larql::grammar
