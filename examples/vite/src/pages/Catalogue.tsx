import { Link } from 'react-router-dom'
import { cairns } from '../cairns.ts'
import stones from '../images/stones.svg'

export default function Catalogue() {
  return (
    <>
      <img className="banner" src={stones} alt="Four stones, the smallest on top" />
      <h1>A catalogue of cairns</h1>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Kind</th>
            <th scope="col" className="number">
              Height
            </th>
          </tr>
        </thead>
        <tbody>
          {cairns.map((cairn) => (
            <tr key={cairn.slug}>
              <td>
                <Link to={`/cairns/${cairn.slug}`}>{cairn.name}</Link>
              </td>
              <td>{cairn.kind}</td>
              <td className="number">{cairn.height_m.toFixed(1)} m</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
