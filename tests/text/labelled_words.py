"""The words of UCM-captions and the 300 most frequent of RSICD, labelled by hand for what they mostly are there.

Misspelt words have the label of the word that was meant; single letters and unreadable words are left out.
"""

NOUNS = """
airplane airplanes airport area areas atrovirensstorage backyards bank banks bareland barelands baseball basketball
beach birds block blocks boat boats box branches bridge bridges building buildings bunkers bushes car cars casr center
chaparral church circle circles city color colors colour containers containters corner corners cornersd course coursea
court courts cropland crossroads desert diamond diamonds direction directions factory farm farmland farmlands field
fields fish foam foams foasm foofs football forest freeways front fuselage golf grass grassland ground harbor harbour
highway hills home homes house houses intersection island kind kinds lake land lawn lawns letter line lines loess lot
lugage luggage mark meadow meadows mess middle mountain mountains number ocean oil overpass palnts park parking
parkinglot part parts paths pedestrians people piece pieces plamts plane planes plants plantss playground playgrounds
pond ponds pool pools port positions railway railways rectangle region resort ring ripples river rivers road roads
roadside roof roofs roofss row rows runway runways sand sands school sea shadow shape ships side sides size sizes sky
snads snds snow snows space spaces spase sports spots spray stadium station storage street swimming t-junction tank
tanks tennis terminal terminals top track trail trails trains tree trees tres tress tributary tubes turfs vegetation
viaduct villa waste water waters waves weeds wharf woods
""".split()

ADJECTIVES = """
abandoned atrovirens bare beautiful beige big black blue blue-green broad brown busy circular clear close commercial
compact complicated crowded crystal curved dark deep dense desolate differenet different emerald empty fanned free
full gray green green-blue greenish-blue grey healthy hexagonal high huge industrial irregular khaki large light
little long lush manicured medium mixed mobile multilevel narrow new old open orange orderly oval parallel parrallel
peaceful pentagonal polygonal purple quiet rectangular red regular residential roofed round silver small smalle sparse
square straight tall thick triangular turbid urban vast verdant vertical violent white wide wild wilted withered
yellow
""".split()

NEITHER = """
's a above across again all almost along alongside among an and another are around arranged arround ars as at be
beaide beat been besid beside besides between both built by can closed come coming compactly compose composed
connected connects consists constitute cover covered covers cross crossed decorated densely diagonally dispersedly
distributed divided docked dotted each eight either few five flourish flows flurish flying fo form forward four go
goes haphazardly has have here in into irregularly is it its just like lined located losts lying made many melt merged
moored near nearby neatly next no not nothing of on one ones only or othe other others out outside over parked partly
pass passes planted pressed running same scattered scatteredly see seen semi-surrounded semisurrounded separated seven
several shaped six slapping some sorrounded sparsely standing stopped surounded surround surrounded suttounded taxiing
taxing the them there these this three through throw throwing to together triangularly two up very vertically
violently wach was we well were where which while whth with withe without wothe
""".split()
