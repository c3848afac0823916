import { Link, useParams } from 'react-router-dom'
import { findCairn } from '../cairns.ts'
import './CairnPage.css'

export default function CairnPage() {
  const cairn = findCairn(useParams().slug)
  if (cairn === undefined) {
    return <h1>There is no such cairn</h1>
  }
  return (
    <article>
      <h1>{cairn.name}</h1>
      <p className="place">
        A {cairn.kind} cairn, {cairn.place}, {cairn.height_m.toFixed(1)} m high.
      </p>
      <p>{cairn.about}</p>
      <p>
        <Link to="/">All cairns</Link>
      </p>
    </article>
  )
}
