// Why a head stands out: the few forms that the server's reasons have, with their Chinese.

const N = "([\\d.,]+) keys?";
const P = "([<>]?[\\d.]+ ?%)";

export const reasonForms: [RegExp, string][] = [
  [new RegExp(`^reads broadly: ${N} at once \\(median ${N}\\)$`), "看得广：同时看 $1 个键（中位数 $2）"],
  [new RegExp(`^reads narrowly: ${N} at once \\(median ${N}\\)$`), "看得窄：同时看 $1 个键（中位数 $2）"],
  [new RegExp(`^looks far: ${N} away on average \\(median ${N}\\)$`), "看得远：平均相距 $1 个键（中位数 $2）"],
  [new RegExp(`^looks near: ${N} away on average \\(median ${N}\\)$`), "看得近：平均相距 $1 个键（中位数 $2）"],
  [new RegExp(`^${P} on the first key \\(median ${P}\\)$`), "第一个键占 $1（中位数 $2）"],
  [new RegExp(`^only ${P} on the first key \\(median ${P}\\)$`), "第一个键只占 $1（中位数 $2）"],
  [new RegExp(`^${P} on one key, (.+) \\(median ${P}\\)$`), "$1 集中在一个键 $2 上（中位数 $3）"],
  [new RegExp(`^no key of its own: at most ${P} on one \\(median ${P}\\)$`), "没有偏爱的键：最多 $1 在一个键上（中位数 $2）"],
  [new RegExp(`^looks at itself: ${P} of its weight \\(median ${P}\\)$`), "看自己：占权重的 $1（中位数 $2）"],
  [new RegExp(`^looks ${N} back: ${P} of its weight \\(median ${P}\\)$`), "看前面第 $1 个键：占权重的 $2（中位数 $3）"],
  [new RegExp(`^looks ${N} ahead: ${P} of its weight \\(median ${P}\\)$`), "看后面第 $1 个键：占权重的 $2（中位数 $3）"],
  [
    new RegExp(`^no favourite place: at most ${P} at one distance back \\(median ${P}\\)$`),
    "没有偏爱的距离：同一距离上最多 $1（中位数 $2）",
  ],
  [new RegExp(`^nothing stands out: ${N} wide, ${N} away$`), "没有特别之处：广度 $1 个键，相距 $2 个键"],
  [/^looks at nothing that is counted$/, "没有看任何计入的键"],
];
