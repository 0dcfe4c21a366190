"""Words for what aerial pictures show, by language: evidence of the language of a query of one or two words.

Words that English shares with another language count as English; those that French and Italian share stand in both, and
tell nothing between the two.
"""

from __future__ import annotations

from typing import Final

LANDSCAPE_WORDS: Final[dict[str, frozenset[str]]] = {
    "en": frozenset(
        """house houses home homes building buildings tree trees storage tank tanks river rivers lake lakes pond ponds
        water sea ocean beach beaches sand road roads street streets highway highways motorway freeway crossing
        crossroads bridge bridges railway railways station stations airport airports plane planes airplane airplanes
        aircraft runway runways ship ships boat boats harbour harbor docks wharf pier field fields farmland farm
        farms crops meadow meadows grass lawn grassland forest forests wood woods mountain mountains hill hills
        desert snow church churches school schools factory factories warehouse warehouses industrial residential
        dense sparse stadium stadiums playground playgrounds court courts pitch swimming pool pools roundabout
        square squares car cars truck trucks vehicle vehicles roof roofs rooftop garden gardens vegetation bare land
        green white red blue gray grey dark large small big long wide narrow round curved straight north south east
        west northern southern eastern western largest smallest biggest longest bay island islands coast shore cliff
        valley town city solar panels quarry dam greenhouse greenhouses""".split()
    ),
    "fr": frozenset(
        """maison maisons immeuble immeubles bâtiment bâtiments batiment batiments arbre arbres réservoir réservoirs
        reservoir reservoirs citerne citernes rivière rivières riviere fleuve fleuves lac lacs étang étangs etang
        eau mer océan plage plages sable route routes rue rues autoroute autoroutes carrefour carrefours pont ponts
        chemin voie voies gare gares aéroport aéroports aeroport avion avions piste pistes navire navires bateau
        bateaux quai quais jetée champ champs ferme fermes cultures prairie prairies herbe pelouse pelouses forêt
        forêts foret bois montagne montagnes colline collines désert desertique neige église églises eglise école
        écoles ecole usine usines entrepôt entrepôts entrepot industrielle industriel résidentielle résidentiel
        stade stades terrain terrains jeux piscine piscines place places voiture voitures camion camions véhicule
        véhicules toit toits jardin jardins végétation sol nu terre vert verte verts vertes blanc blanche blancs
        blanches rouge rouges bleu bleue bleus grise gris grand grande grands grandes petit petite petits petites
        longue étroite ronde courbe droite nord sud est ouest baie île îles côte rivage falaise vallée ville
        panneaux solaires carrière barrage serres""".split()
    ),
    "it": frozenset(
        """casa case edificio edifici palazzo palazzi albero alberi serbatoio serbatoi cisterna cisterne fiume fiumi
        lago laghi stagno stagni acqua mare oceano spiaggia spiagge sabbia strada strade via autostrada autostrade
        incrocio incroci ponte ponti ferrovia ferrovie binari stazione stazioni aeroporto aeroporti aereo aerei
        aeroplano aeroplani pista piste nave navi barca barche porto porti banchina molo pontile campo campi
        fattoria fattorie coltivati prato prati erba prateria foresta foreste bosco boschi montagna montagne collina
        colline deserto neve chiesa chiese scuola scuole fabbrica fabbriche magazzino magazzini capannone capannoni
        industriale industriali residenziale residenziali densa stadio stadi giochi piscine piscina rotonda
        rotatoria piazza piazze auto automobile automobili macchina macchine camion veicolo veicoli parcheggio
        parcheggi tetto tetti giardino giardini vegetazione terreno terra nuda verde verdi bianco bianca bianchi
        bianche rosso rossa rossi blu grigio grigia scuro grande grandi piccolo piccola piccoli piccole lungo lunga
        largo larga stretto tondo curva dritta nord sud ovest baia isola isole costa riva scogliera valle città
        pannelli solari cava diga serre""".split()
    ),
}
