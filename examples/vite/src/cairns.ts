export interface Cairn {
  slug: string
  name: string
  kind: 'summit' | 'path' | 'burial' | 'sea mark'
  place: string
  height_m: number
  about: string
}

export const cairns: readonly Cairn[] = [
  {
    slug: 'north-ridge',
    name: 'North ridge',
    kind: 'path',
    place: 'where the ridge forks, at 1,140 m',
    height_m: 1.2,
    about:
      'Two paths part here, and in cloud they look the same. The cairn stands on the right of the one that goes down.',
  },
  {
    slug: 'grey-top',
    name: 'Grey top',
    kind: 'summit',
    place: 'the highest point of the group, at 1,344 m',
    height_m: 2.1,
    about: 'Whoever reaches it adds a stone, so that it has doubled its height within a lifetime.',
  },
  {
    slug: 'long-barrow',
    name: 'Long barrow',
    kind: 'burial',
    place: 'on the shoulder above the lake',
    height_m: 4.5,
    about: 'The oldest of them: its chamber faces the sunrise of midwinter. Please leave its stones alone.',
  },
  {
    slug: 'harbour-mark',
    name: 'Harbour mark',
    kind: 'sea mark',
    place: 'on the outer skerry',
    height_m: 3.2,
    about: 'White on the side of the sea. In line with the church it leads between the shallows.',
  },
]

export function findCairn(slug: string | undefined): Cairn | undefined {
  return cairns.find((cairn) => cairn.slug === slug)
}
