const rules = [
  'Begin with the widest stones, and dig the first course in.',
  'Let every stone lie on two, and lean inwards.',
  'Fill the middle as you go: what is hollow falls in the first frost.',
  'Build none where there is one, nor where a path needs no mark.',
]

export default function Building() {
  return (
    <>
      <h1>How they are built</h1>
      <ol>
        {rules.map((rule) => (
          <li key={rule}>{rule}</li>
        ))}
      </ol>
    </>
  )
}
