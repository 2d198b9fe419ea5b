#include "runtime/import/located_layout.hpp"

#include "runtime/base/check.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::import {

namespace {

using vindex::located_run;

bool is_as_in_source(const piece& p) {
  const auto& t = *p.tensor;
  return t.format == p.to.format && t.cols() == p.to.cols && p.scale == 1;
}

// Makes one run of runs at equal distances.
std::vector<located_run> joined(const std::vector<located_run>& all) {
  auto out = std::vector<located_run>{};
  for (const auto& r : all) {
    if (!out.empty() && out.back().file == r.file && out.back().bytes == r.bytes) {
      auto& last = out.back();
      const auto at_step = last.count == 1 ? r.at - last.at : last.at_step;
      const auto offset_step = last.count == 1 ? r.offset - last.offset : last.offset_step;
      if (r.offset >= last.offset && r.at == last.at + last.count * at_step &&
          r.offset == last.offset + last.count * offset_step) {
        last.at_step = at_step;
        last.offset_step = offset_step;
        ++last.count;
        continue;
      }
    }
    out.push_back(r);
  }
  return out;
}

class layout_maker {
public:
  layout_maker(const checkpoint& source, const extract_plan& plan) : source_(source), plan_(plan) {}

  located_layout run() {
    out_.where.source = source_.identity();
    LARQL_CHECK(!out_.where.source.empty());
    for (const auto& p : source_.parts) {
      out_.where.files.push_back({p.path, p.stamp, p.content});
      if (!p.content.empty())
        out_.where.files.back().stamp->modified_ns = 0;
    }
    heads_ = add_own(heads_file);
    for (const auto& f : plan_.files)
      if (f.name != vindex::norms_file)
        add(f);
    return std::move(out_);
  }

private:
  std::uint32_t add_own(std::string_view name) {
    out_.where.files.push_back({name, std::nullopt, {}});
    return static_cast<std::uint32_t>(out_.where.files.size() - 1);
  }

  void add(const output_file& f) {
    // Of a layer file, the pieces of the same kind are at equal distances: those of gate and up,
    // then those of down.
    const auto kinds = f.layer ? f.pieces.size() / f.experts : 1;
    auto runs = std::vector<std::vector<located_run>>(kinds);
    auto at = std::uint64_t{f.head.size()};
    for (auto i = std::size_t{0}; i < f.pieces.size(); ++i) {
      const auto& p = f.pieces[i];
      LARQL_CHECK(is_as_in_source(p));
      const auto offset = p.tensor->offset + p.first_row * p.to.row_bytes();
      runs[i % kinds].push_back({at, p.bytes(), p.tensor->part, offset});
      at += p.bytes();
    }
    auto& stored = out_.where.stored[f.name];
    stored.bytes = at;
    if (!f.head.empty()) {
      stored.runs.push_back({0, f.head.size(), heads_, out_.heads.size()});
      out_.heads.insert(out_.heads.end(), f.head.begin(), f.head.end());
    }
    for (const auto& kind : runs)
      for (const auto& r : joined(kind))
        stored.runs.push_back(r);
  }

  const checkpoint& source_;
  const extract_plan& plan_;
  located_layout out_;
  std::uint32_t heads_ = 0;
};

} // namespace

located_layout lay_out(const checkpoint& source, const extract_plan& plan) {
  return layout_maker{source, plan}.run();
}

} // namespace larql::import
